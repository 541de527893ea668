UPDATE orders SET status = 'pending' WHERE status = 'cancelled';
ALTER TABLE orders MODIFY status ENUM ('pending', 'paid', 'shipped') NOT NULL DEFAULT 'pending';
