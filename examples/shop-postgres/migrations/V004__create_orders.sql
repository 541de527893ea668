CREATE TYPE order_status AS ENUM ('pending', 'paid', 'shipped');

CREATE TABLE orders (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint NOT NULL CONSTRAINT orders_user_fk REFERENCES users (id) ON DELETE RESTRICT,
    status     order_status NOT NULL DEFAULT 'pending',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE order_items (
    order_id   bigint NOT NULL CONSTRAINT order_items_order_fk REFERENCES orders (id) ON DELETE CASCADE,
    product_id bigint NOT NULL CONSTRAINT order_items_product_fk REFERENCES products (id) ON DELETE RESTRICT,
    quantity   integer NOT NULL CONSTRAINT order_items_quantity_check CHECK (quantity > 0),
    price      numeric(12, 4) NOT NULL CONSTRAINT order_items_price_check CHECK (price >= 0),
    PRIMARY KEY (order_id, product_id)
);

-- Every change of status leaves a line. The key holds the column that the table is partitioned by, and rows outside
-- the named months go to the default partition instead of being refused.
CREATE TABLE order_status_history (
    order_id   bigint NOT NULL CONSTRAINT order_status_history_order_fk REFERENCES orders (id) ON DELETE CASCADE,
    status     order_status NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE order_status_history_2025_04 PARTITION OF order_status_history
    FOR VALUES FROM ('2025-04-01 00:00+00') TO ('2025-05-01 00:00+00');
CREATE TABLE order_status_history_default PARTITION OF order_status_history DEFAULT;
