ALTER TABLE users VALIDATE CONSTRAINT users_email_shape;

-- A constant default does not rewrite the table, and no UPDATE of every row is needed.
ALTER TABLE users ADD COLUMN preferences jsonb NOT NULL DEFAULT '{"theme": "light", "notifications": true}';
