-- Safe to run twice.
INSERT IGNORE INTO users (email, name, password_hash) VALUES
    ('ada@example.com', 'Ada', 'x'),
    ('grace@example.com', 'Grace', 'x');

INSERT INTO products (name, description, price, stock)
SELECT * FROM (SELECT 'Field notebook' AS name, 'Waterproof, 96 pages' AS description, 12.90 AS price, 40 AS stock) AS wanted
WHERE NOT EXISTS (SELECT 1 FROM products WHERE name = 'Field notebook');
