-- One profile and one settings row a user: UNIQUE says so, a plain foreign key would not.
CREATE TABLE user_profiles (
    user_id    INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    bio        TEXT,
    avatar_url TEXT
);
CREATE TABLE user_settings (
    user_id               INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    preferences           TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(preferences)),
    notifications_enabled INTEGER NOT NULL DEFAULT 1 CHECK (notifications_enabled IN (0, 1))
);
INSERT INTO user_profiles (user_id) SELECT id FROM users;
INSERT INTO user_settings (user_id, preferences) SELECT id, preferences FROM users;

-- New users get their rows by themselves, whichever version of the application makes them.
CREATE TRIGGER users_companions AFTER INSERT ON users
BEGIN
    INSERT INTO user_profiles (user_id) VALUES (NEW.id);
    INSERT INTO user_settings (user_id, preferences) VALUES (NEW.id, NEW.preferences);
END;
