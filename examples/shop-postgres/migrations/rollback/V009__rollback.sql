ALTER TABLE products ADD COLUMN title text;
UPDATE products SET title = name;
ALTER TABLE products ALTER COLUMN title SET NOT NULL;
DROP INDEX CONCURRENTLY products_name_search;
CREATE INDEX CONCURRENTLY products_search ON products
    USING gin (to_tsvector('english', title || ' ' || coalesce(description, '')));

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
ALTER TABLE products ALTER COLUMN name DROP NOT NULL;
ALTER TABLE products ADD CONSTRAINT products_name_present CHECK (name IS NOT NULL) NOT VALID;
