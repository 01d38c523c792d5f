CREATE TABLE IF NOT EXISTS freshet_settings (
    name text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (name)
);
COMMENT ON TABLE freshet_settings IS 'What these tables were built with; a start with other settings is refused';
COMMENT ON COLUMN freshet_settings.name IS 'The name of the setting';
COMMENT ON COLUMN freshet_settings.value IS 'Its value';

CREATE TABLE IF NOT EXISTS freshet_owner (
    singleton boolean NOT NULL DEFAULT true CHECK (singleton),
    generation bigint NOT NULL,
    instance text,
    backend_pid integer NOT NULL,
    backend_start timestamptz NOT NULL,
    renewed_at timestamptz NOT NULL,
    commit_number bigint NOT NULL DEFAULT 0,
    process text,
    database_id text,
    PRIMARY KEY (singleton)
);
COMMENT ON TABLE freshet_owner IS 'The one process that may write these tables';
COMMENT ON COLUMN freshet_owner.singleton IS 'There is one row';
COMMENT ON COLUMN freshet_owner.generation IS 'The fencing token, raised whenever the owner changes or opens another session; a commit with an earlier one fails';
COMMENT ON COLUMN freshet_owner.instance IS 'Host and process of the owner; null after a clean stop';
COMMENT ON COLUMN freshet_owner.backend_pid IS 'The process id of the owner''s session in Postgres';
COMMENT ON COLUMN freshet_owner.backend_start IS 'When that session began';
COMMENT ON COLUMN freshet_owner.renewed_at IS 'When the owner took over the tables';
COMMENT ON COLUMN freshet_owner.commit_number IS 'Raised by each commit, which compares it with what the owner knows: they differ if Postgres lost commits';
COMMENT ON COLUMN freshet_owner.process IS 'Tells a process on the same machine whether the owner has ended: boot, pid namespace, process id and start time';
COMMENT ON COLUMN freshet_owner.database_id IS 'The database that the owner writes; differs in a copy of the tables';

CREATE TABLE IF NOT EXISTS freshet_heartbeat (
    singleton boolean NOT NULL DEFAULT true CHECK (singleton),
    number bigint NOT NULL DEFAULT 0,
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (singleton)
);
-- Added since, and by a start to tables that were made before.
ALTER TABLE freshet_heartbeat
    ADD COLUMN IF NOT EXISTS asked_by text,
    ADD COLUMN IF NOT EXISTS asked_at timestamptz;
COMMENT ON TABLE freshet_heartbeat IS 'The owner''s sign of life, every two seconds, by a session of its own';
COMMENT ON COLUMN freshet_heartbeat.singleton IS 'There is one row';
COMMENT ON COLUMN freshet_heartbeat.number IS 'Raised by each beat: if it does not change for ten seconds, another process may take over';
COMMENT ON COLUMN freshet_heartbeat.beat_at IS 'When the last beat came';
COMMENT ON COLUMN freshet_heartbeat.asked_by IS 'The freshet forget that asks the owner for the tables, or has them';
COMMENT ON COLUMN freshet_heartbeat.asked_at IS 'When it last did: after ten seconds it is passed over';

CREATE TABLE IF NOT EXISTS progress (
    topic text COLLATE "C" NOT NULL,
    kafka_partition integer NOT NULL,
    first_offset bigint NOT NULL,
    next_offset bigint NOT NULL,
    consumed bigint NOT NULL,
    counted bigint NOT NULL,
    ignored bigint NOT NULL,
    duplicate bigint NOT NULL,
    rejected bigint NOT NULL,
    last_offset bigint,
    last_timestamp bigint,
    last_hash bigint,
    last_leader_epoch integer,
    PRIMARY KEY (topic, kafka_partition)
);
-- Added since, and by a start to tables that were made before.
ALTER TABLE progress
    ADD COLUMN IF NOT EXISTS expired bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS bot bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS forgotten bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS newest_day date,
    ADD COLUMN IF NOT EXISTS window_offset bigint,
    ADD COLUMN IF NOT EXISTS window_newest bigint,
    ADD COLUMN IF NOT EXISTS window_day date;
COMMENT ON TABLE progress IS 'How much of each partition all these tables include';
COMMENT ON COLUMN progress.topic IS 'The Kafka topic';
COMMENT ON COLUMN progress.kafka_partition IS 'The partition';
COMMENT ON COLUMN progress.first_offset IS 'The offset at which reading began';
COMMENT ON COLUMN progress.next_offset IS 'The offset after the last record that these tables include, and after any offsets without a record that follow it at the end';
COMMENT ON COLUMN progress.consumed IS 'Records read: counted + ignored + duplicate + rejected + expired + bot + forgotten';
COMMENT ON COLUMN progress.counted IS 'Records that the reports count';
COMMENT ON COLUMN progress.ignored IS 'Records of kinds that no report counts';
COMMENT ON COLUMN progress.duplicate IS 'Copies of records that count, with --dedup';
COMMENT ON COLUMN progress.rejected IS 'Records that could not be counted, by hour and reason in rejected_hourly';
COMMENT ON COLUMN progress.expired IS 'Records of days that had left the tables, with --retain';
COMMENT ON COLUMN progress.bot IS 'Records of crawlers, with --skip-bots';
COMMENT ON COLUMN progress.forgotten IS 'Records that freshet forget took out';
COMMENT ON COLUMN progress.newest_day IS 'The newest day of a record that the reports count; null without --retain';
COMMENT ON COLUMN progress.window_offset IS 'From which offset a start reads ids again, to know copies; null without --dedup';
COMMENT ON COLUMN progress.window_newest IS 'The greatest event time before it, in seconds since 1970';
COMMENT ON COLUMN progress.window_day IS 'The newest day before it; null without --retain';
COMMENT ON COLUMN progress.last_offset IS 'The offset of the last record read; null before the first';
COMMENT ON COLUMN progress.last_timestamp IS 'Its Kafka timestamp in milliseconds, -1 if it has none';
COMMENT ON COLUMN progress.last_hash IS 'The XXH3 hash of its value: a start fails if another record is at that offset';
COMMENT ON COLUMN progress.last_leader_epoch IS 'The leader epoch of that record, to detect a truncated log; null if the broker gives none';

CREATE TABLE IF NOT EXISTS gaps (
    topic text COLLATE "C" NOT NULL,
    kafka_partition integer NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    from_offset bigint NOT NULL,
    to_offset bigint NOT NULL,
    reason text COLLATE "C" NOT NULL,
    PRIMARY KEY (topic, kafka_partition, noted_at)
);
COMMENT ON TABLE gaps IS 'Records that were gone from Kafka before they were read: see --on-lost-offsets';
COMMENT ON COLUMN gaps.topic IS 'The Kafka topic';
COMMENT ON COLUMN gaps.kafka_partition IS 'The partition';
COMMENT ON COLUMN gaps.noted_at IS 'When the gap was found';
COMMENT ON COLUMN gaps.from_offset IS 'The offset to be read next';
COMMENT ON COLUMN gaps.to_offset IS 'The offset that was read next instead; not above from_offset if the topic was recreated or truncated';
COMMENT ON COLUMN gaps.reason IS 'retention, truncated or another topic';

CREATE TABLE IF NOT EXISTS forgotten (
    id_hash bytea NOT NULL,
    forgotten_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id_hash)
);
COMMENT ON TABLE forgotten IS 'The ids of events that freshet forget took out of the tables, and that stay out';
COMMENT ON COLUMN forgotten.id_hash IS 'The SipHash-1-3 (128 bits) of the id, by the key that freshet_settings has as forget-key';
COMMENT ON COLUMN forgotten.forgotten_at IS 'When';

CREATE TABLE IF NOT EXISTS rejected_records (
    topic text COLLATE "C" NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    reason text NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    payload bytea,
    PRIMARY KEY (topic, kafka_partition, kafka_offset)
);
COMMENT ON TABLE rejected_records IS 'Records that could not be counted, as long as --retain-rejected and --rejected-max-rows keep them';
COMMENT ON COLUMN rejected_records.topic IS 'The Kafka topic; with "(until ...)" if its offsets were reused since, see gaps';
COMMENT ON COLUMN rejected_records.kafka_partition IS 'The partition';
COMMENT ON COLUMN rejected_records.kafka_offset IS 'The offset in the partition';
COMMENT ON COLUMN rejected_records.reason IS 'Why the record could not be counted';
COMMENT ON COLUMN rejected_records.rejected_at IS 'When that was found';
COMMENT ON COLUMN rejected_records.payload IS 'The value of the record, with --keep-rejected-payload; it may hold personal data';

CREATE TABLE IF NOT EXISTS rejected_hourly (
    hour timestamptz NOT NULL,
    reason text COLLATE "C" NOT NULL,
    records bigint NOT NULL,
    only_counted bigint NOT NULL,
    PRIMARY KEY (hour, reason)
) WITH (fillfactor = 80);
COMMENT ON TABLE rejected_hourly IS 'How many records were rejected, all of them: also those without a row in rejected_records';
COMMENT ON COLUMN rejected_hourly.hour IS 'The hour of the records'' Kafka timestamps; 1970-01-01 00:00 UTC if unknown: none, or rejected by a version without this table';
COMMENT ON COLUMN rejected_hourly.reason IS 'Why the records could not be counted';
COMMENT ON COLUMN rejected_hourly.records IS 'How many there are';
COMMENT ON COLUMN rejected_hourly.only_counted IS 'How many have no row because rejected_records was full; under 1970-01-01 00:00 UTC also how many rows of the reason were removed';
