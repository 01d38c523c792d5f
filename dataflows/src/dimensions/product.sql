CREATE TABLE IF NOT EXISTS dim_product (
    product_id text COLLATE "C" NOT NULL,
    name text COLLATE "C",
    url text COLLATE "C",
    url_day date,
    first_day date NOT NULL,
    last_day date NOT NULL,
    PRIMARY KEY (product_id)
) WITH (fillfactor = 80);
COMMENT ON TABLE dim_product IS 'The products that have a counted record';
COMMENT ON COLUMN dim_product.product_id IS 'The product';
COMMENT ON COLUMN dim_product.name IS 'Its name, from the last part of url; null if that gives none';
COMMENT ON COLUMN dim_product.url IS 'The address of its page, without query and fragment: on the shop''s hosts the shortest that gives the most viewed name, else the most viewed that gives any; null if no page gives a name';
COMMENT ON COLUMN dim_product.url_day IS 'The first day with a view that gives that name; null without url';
COMMENT ON COLUMN dim_product.first_day IS 'The first day with a view of it';
COMMENT ON COLUMN dim_product.last_day IS 'The last day with a view of it';
