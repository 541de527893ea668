INSERT IGNORE INTO users (email, name, password_hash) VALUES ('test@example.com', 'Test', 'x');
