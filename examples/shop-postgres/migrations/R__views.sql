-- Runs after the versioned migrations, again whenever this file changes.
DROP VIEW IF EXISTS product_catalogue;
CREATE VIEW product_catalogue AS
SELECT id, name, price, stock > 0 AS is_available FROM products;

DROP VIEW IF EXISTS order_totals;
CREATE VIEW order_totals AS
SELECT o.id AS order_id, o.user_id, o.status, coalesce(sum(i.quantity * i.price), 0) AS total
FROM orders AS o
LEFT JOIN order_items AS i ON i.order_id = o.id
GROUP BY o.id, o.user_id, o.status;
