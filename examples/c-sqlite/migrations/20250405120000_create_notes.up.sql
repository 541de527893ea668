CREATE TABLE notes (
    id integer PRIMARY KEY,
    text text NOT NULL,
    made_at text NOT NULL DEFAULT CURRENT_TIMESTAMP
);
