ALTER TABLE products ADD COLUMN title VARCHAR(255) NOT NULL DEFAULT '';
UPDATE products SET title = name;
ALTER TABLE products MODIFY name VARCHAR(255) NULL;
CREATE TRIGGER products_name_insert BEFORE INSERT ON products FOR EACH ROW
BEGIN
    SET NEW.name = COALESCE(NEW.name, NEW.title);
    SET NEW.title = COALESCE(NEW.title, NEW.name);
END;
CREATE TRIGGER products_name_update BEFORE UPDATE ON products FOR EACH ROW
BEGIN
    IF NOT (NEW.name <=> OLD.name) THEN
        SET NEW.title = NEW.name;
    ELSEIF NOT (NEW.title <=> OLD.title) THEN
        SET NEW.name = NEW.title;
    END IF;
END;
