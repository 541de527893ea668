-- Built without stopping writes. Each of these runs alone; if one fails, the invalid index that it leaves is found and
-- built again by the next `whimbrel migrate`.
CREATE INDEX CONCURRENTLY orders_user_created ON orders (user_id, created_at DESC);
CREATE INDEX CONCURRENTLY order_items_product ON order_items (product_id);
CREATE INDEX CONCURRENTLY orders_pending ON orders (created_at) WHERE status = 'pending';
-- coalesce: a missing description must not make the whole text NULL and hide the product from the search.
CREATE INDEX CONCURRENTLY products_search ON products
    USING gin (to_tsvector('english', title || ' ' || coalesce(description, '')));
