CREATE TABLE IF NOT EXISTS page_hosts (
    host text COLLATE "C" NOT NULL,
    views smallint NOT NULL CHECK (views BETWEEN 1 AND 10),
    waiting text COLLATE "C",
    PRIMARY KEY (host)
) WITH (fillfactor = 80);
COMMENT ON TABLE page_hosts IS 'The hosts of product pages that give a name: a host with 10 views is the shop''s';
COMMENT ON COLUMN page_hosts.host IS 'The host, as referrer_host gives it';
COMMENT ON COLUMN page_hosts.views IS 'How many views of such pages it has, at most 10';
COMMENT ON COLUMN page_hosts.waiting IS 'The views of a host that is not the shop''s: for each page a line of product, address, views and first day (days since 1970-01-01), separated by tabs; null for the shop''s hosts';
