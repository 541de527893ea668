DROP INDEX CONCURRENTLY products_search;
DROP INDEX CONCURRENTLY orders_pending;
DROP INDEX CONCURRENTLY order_items_product;
DROP INDEX CONCURRENTLY orders_user_created;
