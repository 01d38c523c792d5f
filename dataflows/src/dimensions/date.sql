CREATE TABLE IF NOT EXISTS dim_date (
    day date NOT NULL,
    year smallint NOT NULL GENERATED ALWAYS AS (extract(year FROM day)::smallint) STORED,
    quarter smallint NOT NULL GENERATED ALWAYS AS (extract(quarter FROM day)::smallint) STORED,
    month smallint NOT NULL GENERATED ALWAYS AS (extract(month FROM day)::smallint) STORED,
    iso_year smallint NOT NULL GENERATED ALWAYS AS (extract(isoyear FROM day)::smallint) STORED,
    iso_week smallint NOT NULL GENERATED ALWAYS AS (extract(week FROM day)::smallint) STORED,
    weekday smallint NOT NULL GENERATED ALWAYS AS (extract(isodow FROM day)::smallint) STORED CHECK (weekday BETWEEN 1 AND 7),
    is_weekend boolean NOT NULL GENERATED ALWAYS AS (extract(isodow FROM day) > 5) STORED,
    PRIMARY KEY (day)
);
COMMENT ON TABLE dim_date IS 'The days that have a counted record';
COMMENT ON COLUMN dim_date.day IS 'The day, by the clock that the tables were built with';
COMMENT ON COLUMN dim_date.year IS 'Its year';
COMMENT ON COLUMN dim_date.quarter IS 'Its quarter, 1 to 4';
COMMENT ON COLUMN dim_date.month IS 'Its month, 1 to 12';
COMMENT ON COLUMN dim_date.iso_year IS 'The year that its ISO week belongs to; around New Year it may differ from year';
COMMENT ON COLUMN dim_date.iso_week IS 'Its ISO week, 1 to 53';
COMMENT ON COLUMN dim_date.weekday IS 'Its day of the week, from 1 for Monday to 7 for Sunday';
COMMENT ON COLUMN dim_date.is_weekend IS 'Whether it is a Saturday or a Sunday';
