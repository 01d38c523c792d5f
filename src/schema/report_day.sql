CREATE OR REPLACE VIEW report_day AS
SELECT coalesce(
    (SELECT max(day) FROM dim_date WHERE day <= today),
    (SELECT min(day) FROM dim_date WHERE day > today)
) AS day
FROM (
    SELECT (now() AT TIME ZONE coalesce((SELECT value FROM freshet_settings WHERE name = 'time-zone'), 'UTC'))::date AS today
) AS clock;
COMMENT ON VIEW report_day IS 'The day of the daily reports: today if it has any view, else the latest day before it that has, else the earliest after it';
COMMENT ON COLUMN report_day.day IS 'The day; null while there is no view at all';
