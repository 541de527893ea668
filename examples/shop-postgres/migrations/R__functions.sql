CREATE OR REPLACE FUNCTION order_total(wanted bigint) RETURNS numeric
LANGUAGE sql STABLE
RETURN (SELECT coalesce(sum(quantity * price), 0) FROM order_items WHERE order_id = wanted);

CREATE OR REPLACE FUNCTION user_spend(wanted bigint) RETURNS numeric
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(sum(i.quantity * i.price), 0)
    FROM orders AS o
    JOIN order_items AS i ON i.order_id = o.id
    WHERE o.user_id = wanted AND o.status <> 'cancelled';
END;
