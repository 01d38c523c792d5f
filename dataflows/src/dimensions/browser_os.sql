CREATE TABLE IF NOT EXISTS dim_browser_os (
    browser text COLLATE "C" NOT NULL,
    os text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL
        CHECK (category IN ('pc', 'smartphone', 'mobilephone', 'appliance', 'crawler', 'misc', 'unknown')),
    PRIMARY KEY (browser, os)
);
COMMENT ON TABLE dim_browser_os IS 'The browsers and operating systems that have a counted record';
COMMENT ON COLUMN dim_browser_os.browser IS 'The browser, as woothee names it, or Unknown';
COMMENT ON COLUMN dim_browser_os.os IS 'The operating system, as woothee names it, or Unknown';
COMMENT ON COLUMN dim_browser_os.category IS 'pc, smartphone, mobilephone, appliance, crawler, misc or unknown, as woothee sorts these names';
