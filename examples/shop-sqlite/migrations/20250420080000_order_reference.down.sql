PRAGMA foreign_keys = OFF;

CREATE TABLE orders_old (
    id         INTEGER PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    status     TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'paid', 'shipped', 'cancelled')),
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
INSERT INTO orders_old (id, user_id, status, created_at)
SELECT id, user_id, status, created_at FROM orders;
DROP TABLE orders;
PRAGMA legacy_alter_table = ON; -- lets the views on orders stay while it is away
ALTER TABLE orders_old RENAME TO orders;
PRAGMA legacy_alter_table = OFF;
CREATE INDEX orders_user_created ON orders (user_id, created_at DESC);
CREATE INDEX orders_pending ON orders (created_at) WHERE status = 'pending';

PRAGMA foreign_keys = ON;
