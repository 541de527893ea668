INSERT INTO users (email, name, password_hash) VALUES ('test@example.com', 'Test', 'x') ON CONFLICT (email) DO NOTHING;
