-- The same catalogue as in development; safe to run twice.
INSERT INTO users (email, name, password_hash) VALUES
    ('ada@example.com', 'Ada', 'x'),
    ('grace@example.com', 'Grace', 'x')
ON CONFLICT (email) DO NOTHING;

INSERT INTO products (name, description, price, stock)
SELECT * FROM (VALUES
    ('Field notebook', 'Waterproof, 96 pages', 12.90, 40),
    ('Binoculars', NULL, 189.00, 5)) AS wanted (name, description, price, stock)
WHERE NOT EXISTS (SELECT 1 FROM products AS p WHERE p.name = wanted.name);
