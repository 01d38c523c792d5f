CREATE TABLE IF NOT EXISTS dim_store (
    store_id text COLLATE "C" NOT NULL,
    country text COLLATE "C" NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    PRIMARY KEY (store_id)
) WITH (fillfactor = 80);
COMMENT ON TABLE dim_store IS 'The stores that have a counted record';
COMMENT ON COLUMN dim_store.store_id IS 'The store';
COMMENT ON COLUMN dim_store.country IS 'Its home: the country with the most of its views over all days; ties go to the first code';
COMMENT ON COLUMN dim_store.first_day IS 'The first day with a view of it';
COMMENT ON COLUMN dim_store.last_day IS 'The last day with a view of it';

CREATE TABLE IF NOT EXISTS store_names (
    store_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (store_id)
);
COMMENT ON TABLE store_names IS 'The names of stores, which no record says: those of the file of --stores, or whatever was put here';
COMMENT ON COLUMN store_names.store_id IS 'The store';
COMMENT ON COLUMN store_names.name IS 'Its name';
