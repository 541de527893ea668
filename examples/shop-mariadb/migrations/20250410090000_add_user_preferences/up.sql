-- The server refuses the statement rather than copying the table unasked.
ALTER TABLE users ADD COLUMN preferences VARCHAR(2000) NOT NULL DEFAULT '{}', ALGORITHM = INSTANT;
