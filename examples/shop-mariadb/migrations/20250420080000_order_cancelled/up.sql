-- A value at the end of the list changes no row. MODIFY says the whole column again: what is left out would be lost.
ALTER TABLE orders MODIFY status ENUM ('pending', 'paid', 'shipped', 'cancelled') NOT NULL DEFAULT 'pending', ALGORITHM = INSTANT;

UPDATE orders SET status = 'cancelled' WHERE status = 'pending' AND created_at < NOW() - INTERVAL 90 DAY;
