-- whimbrel: phase=expand
-- The first half of renaming products.title to name; the second is 20250601090000.
ALTER TABLE products ADD COLUMN name VARCHAR(255) NULL;

DELIMITER //
CREATE TRIGGER products_name_insert BEFORE INSERT ON products FOR EACH ROW
BEGIN
    SET NEW.name = COALESCE(NEW.name, NEW.title);
    SET NEW.title = COALESCE(NEW.title, NEW.name);
END//
CREATE TRIGGER products_name_update BEFORE UPDATE ON products FOR EACH ROW
BEGIN
    IF NOT (NEW.name <=> OLD.name) THEN
        SET NEW.title = NEW.name;
    ELSEIF NOT (NEW.title <=> OLD.title) THEN
        SET NEW.name = NEW.title;
    END IF;
END//
DELIMITER ;

UPDATE products SET name = title WHERE name IS NULL;
