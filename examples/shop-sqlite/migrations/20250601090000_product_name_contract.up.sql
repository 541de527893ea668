-- whimbrel: phase=contract
-- whimbrel: requires=20250415100000
-- whimbrel: allow=drop-column reason="no released version reads products.title any more"
DROP TRIGGER products_name_on_insert;
DROP TRIGGER products_title_from_name;
DROP TRIGGER products_name_from_title;
-- The old NOT NULL went with the old column; the new one is made mandatory for what is written from now on.
CREATE TRIGGER products_name_required BEFORE INSERT ON products
WHEN NEW.name IS NULL OR NEW.name = ''
BEGIN
    SELECT RAISE(ABORT, 'products.name is required');
END;
ALTER TABLE products DROP COLUMN title;
