-- In reverse. The views and functions that read these tables go first; the repeatables make them again.
DROP FUNCTION IF EXISTS user_spend(bigint);
DROP FUNCTION IF EXISTS order_total(bigint);
DROP VIEW IF EXISTS order_totals;
DROP TABLE order_status_history;
DROP TABLE order_items;
DROP TABLE orders;
DROP TYPE order_status;
