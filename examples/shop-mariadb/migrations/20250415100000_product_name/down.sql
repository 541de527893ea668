DROP TRIGGER products_name_update;
DROP TRIGGER products_name_insert;
ALTER TABLE products DROP COLUMN name;
