-- whimbrel: phase=contract
-- whimbrel: requires=20250415100000
-- whimbrel: allow=drop-column reason="no released version reads products.title any more"
DROP TRIGGER products_name_update;
DROP TRIGGER products_name_insert;
ALTER TABLE products MODIFY name VARCHAR(255) NOT NULL;
ALTER TABLE products DROP COLUMN title;
