-- Safe to run twice: what is there already stays as it is.
INSERT INTO users (id, email, name, password_hash) VALUES
    (1, 'ada@example.com', 'Ada', 'x'),
    (2, 'grace@example.com', 'Grace', 'x')
ON CONFLICT DO NOTHING;

INSERT INTO products (id, name, description, price_cents, stock) VALUES
    (1, 'Field notebook', 'Waterproof, 96 pages', 1290, 40),
    (2, 'Binoculars', '8 x 42', 18900, 5)
ON CONFLICT DO NOTHING;

INSERT INTO orders (id, user_id, status, reference) VALUES (1, 1, 'paid', 'ORD-000001') ON CONFLICT DO NOTHING;
INSERT INTO order_items (order_id, product_id, quantity, price_cents) VALUES (1, 1, 2, 1290), (1, 2, 1, 18900)
ON CONFLICT DO NOTHING;
