DROP VIEW IF EXISTS product_catalogue;
ALTER TABLE products DROP CONSTRAINT products_name_present;
DROP TRIGGER products_sync_name ON products;
DROP FUNCTION products_sync_name();
ALTER TABLE products DROP COLUMN name;
