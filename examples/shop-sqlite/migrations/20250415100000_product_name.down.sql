DROP TRIGGER products_name_on_insert;
DROP TRIGGER products_title_from_name;
DROP TRIGGER products_name_from_title;
DROP VIEW IF EXISTS product_catalogue; -- reads the column; made again by R__views.sql
ALTER TABLE products DROP COLUMN name;
