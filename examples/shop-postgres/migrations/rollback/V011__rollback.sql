-- An enum value cannot be taken away again, and harms nobody; what carries it goes back to where it came from.
UPDATE orders SET status = 'pending' WHERE status = 'cancelled';
