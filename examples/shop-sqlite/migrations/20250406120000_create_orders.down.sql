-- In reverse: what refers goes before what is referred to.
DROP TABLE order_items;
DROP TABLE orders;
