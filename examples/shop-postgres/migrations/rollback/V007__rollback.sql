-- A validated constraint cannot be made "not validated" again, and need not be.
ALTER TABLE users DROP COLUMN preferences;
