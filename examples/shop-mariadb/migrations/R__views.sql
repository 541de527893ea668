CREATE OR REPLACE VIEW product_catalogue AS
SELECT id, name, price, stock > 0 AS is_available FROM products;

CREATE OR REPLACE VIEW order_totals AS
SELECT o.id AS order_id, o.user_id, o.status, COALESCE(SUM(i.quantity * i.price), 0) AS total
FROM orders AS o
LEFT JOIN order_items AS i ON i.order_id = o.id
GROUP BY o.id, o.user_id, o.status;
