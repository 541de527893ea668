INSERT INTO users (id, email, name, password_hash) VALUES (1, 'test@example.com', 'Test', 'x') ON CONFLICT DO NOTHING;
