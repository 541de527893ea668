-- whimbrel: phase=expand
-- The first half of renaming products.title to name: both columns live side by side, and triggers keep them alike
-- while old and new versions of the application run. The old column goes in a later release (20250601090000).
ALTER TABLE products ADD COLUMN name TEXT;

UPDATE products SET name = title WHERE name IS NULL;

CREATE TRIGGER products_name_from_title AFTER UPDATE OF title ON products
WHEN NEW.title IS NOT OLD.title AND NEW.name IS OLD.name
BEGIN
    UPDATE products SET name = NEW.title WHERE id = NEW.id;
END;

CREATE TRIGGER products_title_from_name AFTER UPDATE OF name ON products
WHEN NEW.name IS NOT OLD.name AND NEW.title IS OLD.title
BEGIN
    UPDATE products SET title = NEW.name WHERE id = NEW.id;
END;

CREATE TRIGGER products_name_on_insert AFTER INSERT ON products
WHEN NEW.name IS NULL
BEGIN
    UPDATE products SET name = NEW.title WHERE id = NEW.id;
END;
