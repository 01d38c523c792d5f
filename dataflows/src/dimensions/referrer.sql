CREATE TABLE IF NOT EXISTS dim_referrer (
    host text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('search', 'social', 'own site', 'other')),
    PRIMARY KEY (host)
) WITH (fillfactor = 80);
COMMENT ON TABLE dim_referrer IS 'The hosts of the referrers of counted records';
COMMENT ON COLUMN dim_referrer.host IS 'The host, as referrer_host gives it';
COMMENT ON COLUMN dim_referrer.kind IS 'search or social, if in Freshet''s lists; own site, if a visitor came from it to a page of the same host; else other';

-- As the program reads it, so that a referrer finds its row of dim_referrer. In C only the letters of ASCII change case.
-- Whatever the search_path of its caller.
CREATE OR REPLACE FUNCTION referrer_host(url text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    authority text := substring(url FROM '^[^:]*://([^/?#\\]*)');
    host text := regexp_replace(regexp_replace(authority, '^.*@', ''), ':[0-9]*$', '');
BEGIN
    RETURN CASE WHEN octet_length(host) BETWEEN 1 AND 253 THEN lower(host COLLATE "C") END;
END
$$;
COMMENT ON FUNCTION referrer_host(text) IS 'The host of a referrer''s URL, as dim_referrer has it; null if it has none';
