DROP TRIGGER products_name_required;
ALTER TABLE products ADD COLUMN title TEXT NOT NULL DEFAULT '';
UPDATE products SET title = name;

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
