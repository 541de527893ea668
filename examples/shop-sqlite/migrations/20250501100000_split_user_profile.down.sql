DROP TRIGGER users_companions;
DROP TABLE user_settings;
DROP TABLE user_profiles;
