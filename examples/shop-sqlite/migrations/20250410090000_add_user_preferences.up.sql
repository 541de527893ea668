-- A constant default needs no rewrite and no second step; no backfill can overwrite what people chose.
ALTER TABLE users ADD COLUMN preferences TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(preferences));
