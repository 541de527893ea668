DROP TRIGGER users_companions ON users;
DROP FUNCTION users_companions();
DROP TABLE user_settings;
DROP TABLE user_profiles;
