-- whimbrel: phase=expand
-- products.title becomes products.name in two releases. Until the second, both columns live and a trigger keeps them alike,
-- whichever of them a version of the application writes.
ALTER TABLE products ADD COLUMN name text;

CREATE FUNCTION products_sync_name() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.name := coalesce(NEW.name, NEW.title);
        NEW.title := coalesce(NEW.title, NEW.name);
    ELSIF NEW.name IS DISTINCT FROM OLD.name THEN
        NEW.title := NEW.name;
    ELSIF NEW.title IS DISTINCT FROM OLD.title THEN
        NEW.name := NEW.title;
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER products_sync_name BEFORE INSERT OR UPDATE ON products
FOR EACH ROW EXECUTE FUNCTION products_sync_name();

UPDATE products SET name = title WHERE name IS NULL;
ALTER TABLE products ADD CONSTRAINT products_name_present CHECK (name IS NOT NULL) NOT VALID;
