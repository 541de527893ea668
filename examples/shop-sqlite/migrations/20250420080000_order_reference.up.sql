-- SQLite cannot add a UNIQUE column to a table that stands, so the table is made anew: the documented order
-- (foreign keys off before the transaction, new table, copy by named columns, drop, rename, indexes, check).
-- The pragma does nothing inside a transaction; it runs alone, and the plan shows so.
PRAGMA foreign_keys = OFF;

CREATE TABLE orders_new (
    id         INTEGER PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    status     TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'paid', 'shipped', 'cancelled')),
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    reference  TEXT UNIQUE
);
INSERT INTO orders_new (id, user_id, status, created_at, reference)
SELECT id, user_id, status, created_at, printf('ORD-%06d', id) FROM orders;
DROP TABLE orders;
PRAGMA legacy_alter_table = ON; -- lets the views on orders stay while it is away
ALTER TABLE orders_new RENAME TO orders;
PRAGMA legacy_alter_table = OFF;
CREATE INDEX orders_user_created ON orders (user_id, created_at DESC);
CREATE INDEX orders_pending ON orders (created_at) WHERE status = 'pending';

PRAGMA foreign_keys = ON;
