-- One row a user: the primary key is the reference, so there can be no second.
CREATE TABLE user_profiles (
    user_id    bigint PRIMARY KEY CONSTRAINT user_profiles_user_fk REFERENCES users (id) ON DELETE CASCADE,
    bio        text,
    avatar_url text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE user_settings (
    user_id               bigint PRIMARY KEY CONSTRAINT user_settings_user_fk REFERENCES users (id) ON DELETE CASCADE,
    preferences           jsonb NOT NULL DEFAULT '{}',
    notifications_enabled boolean NOT NULL DEFAULT true,
    created_at            timestamptz NOT NULL DEFAULT now()
);

-- The trigger comes before the copy, so that nobody who signs up in between is missed.
CREATE FUNCTION users_companions() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO user_profiles (user_id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
    INSERT INTO user_settings (user_id, preferences) VALUES (NEW.id, NEW.preferences) ON CONFLICT DO NOTHING;
    RETURN NULL;
END;
$$;
CREATE TRIGGER users_companions AFTER INSERT ON users
FOR EACH ROW EXECUTE FUNCTION users_companions();

INSERT INTO user_profiles (user_id) SELECT id FROM users ON CONFLICT DO NOTHING;
INSERT INTO user_settings (user_id, preferences) SELECT id, preferences FROM users ON CONFLICT DO NOTHING;
