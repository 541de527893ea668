-- whimbrel: phase=contract
-- whimbrel: requires=008
-- whimbrel: allow=drop-column,drop-index-concurrently reason="no released version reads products.title any more"
ALTER TABLE products VALIDATE CONSTRAINT products_name_present;
-- With the check proven, SET NOT NULL needs no scan of its own (PostgreSQL 12 and later).
ALTER TABLE products ALTER COLUMN name SET NOT NULL;
ALTER TABLE products DROP CONSTRAINT products_name_present;

DROP TRIGGER products_sync_name ON products;
DROP FUNCTION products_sync_name();

-- The new index first, then the old one goes with its column.
CREATE INDEX CONCURRENTLY products_name_search ON products
    USING gin (to_tsvector('english', name || ' ' || coalesce(description, '')));
ALTER TABLE products DROP COLUMN title;
