DROP FUNCTION IF EXISTS order_total;
CREATE FUNCTION order_total(wanted BIGINT UNSIGNED) RETURNS DECIMAL(20, 4)
    READS SQL DATA
    RETURN (SELECT COALESCE(SUM(quantity * price), 0) FROM order_items WHERE order_id = wanted);
