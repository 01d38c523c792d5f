CREATE TABLE IF NOT EXISTS product_names (
    product_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    views smallint NOT NULL CHECK (views BETWEEN 1 AND 20),
    url text COLLATE "C" NOT NULL,
    first_day date NOT NULL,
    PRIMARY KEY (product_id, name)
) WITH (fillfactor = 80);
COMMENT ON TABLE product_names IS 'The names that pages on the shop''s hosts give each product: what dim_product is chosen from';
COMMENT ON COLUMN product_names.product_id IS 'The product';
COMMENT ON COLUMN product_names.name IS 'The name';
COMMENT ON COLUMN product_names.views IS 'How many views give it that name, at most 20';
COMMENT ON COLUMN product_names.url IS 'The shortest address that does, without query and fragment; ties go to the first by its bytes';
COMMENT ON COLUMN product_names.first_day IS 'The first day with such a view';
