-- A new enum value cannot be used in the transaction that adds it; whimbrel commits it first, by itself.
ALTER TYPE order_status ADD VALUE IF NOT EXISTS 'cancelled';

UPDATE orders SET status = 'cancelled' WHERE status = 'pending' AND created_at < now() - interval '90 days';
