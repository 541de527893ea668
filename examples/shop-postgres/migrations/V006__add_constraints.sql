-- NOT VALID takes the strong lock for a moment only; the scan comes afterwards, in V007, while traffic goes on.
ALTER TABLE users ADD CONSTRAINT users_email_shape CHECK (position('@' IN email) > 1) NOT VALID;
