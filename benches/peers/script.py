#!/usr/bin/env python3
"""What one writes in an afternoon instead: four of the six reports' counts, from Kafka into Postgres.

Counts a batch in dictionaries and merges it by COPY, in one transaction with the offsets, from which it goes on when it is
started again. It ends at the end of the topic. `make bench-peers` installs confluent-kafka and psycopg for it.
"""
import argparse, json, os
from collections import Counter
from datetime import datetime, timezone
from urllib.parse import urlsplit

import psycopg

TABLES = {
    "product_views_hourly": "product_id text, day date, hour smallint",
    "country_views_daily": "day date, country text",
    "referrer_views_daily": "day date, referrer_url text",
    "store_views_daily": "day date, country text, store_id text",
}
OFFSETS = {"script_offsets": "kafka_partition int"}


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    for option in ["--brokers", "--topic", "--views"]:
        parser.add_argument(option, required=True)
    return parser.parse_args()


def names(columns):
    return [column.split()[0] for column in columns.split(", ")]


def connect(tables):
    database = psycopg.connect(os.environ["FRESHET_DATABASE_URL"])
    for table, key in tables.items():
        database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({key}, views bigint, PRIMARY KEY ({', '.join(names(key))}))")
    return database


def merge(database, table, key, rows, how="old.views + excluded.views"):
    with database.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE new (LIKE {table})")
        with cursor.copy("COPY new FROM STDIN") as copy:
            for values, views in rows.items():
                copy.write_row((*values, views))
        conflict = f"ON CONFLICT ({', '.join(names(key))}) DO UPDATE SET views = {how}"
        cursor.execute(f"INSERT INTO {table} AS old TABLE new {conflict}")
        cursor.execute("DROP TABLE new")


def count(event, counts):
    time = event.get("local_time") or str(datetime.fromtimestamp(event["time_stamp"], timezone.utc))
    day, hour = time[:10], int(time[11:].split(":")[0])
    label = (urlsplit(event.get("current_url") or "").hostname or "").rpartition(".")[2]
    country = {"uk": "GB"}.get(label, label.upper()) if len(label) == 2 else "ZZ"
    counts["country_views_daily"][day, country] += 1
    if product := event.get("product_id"):
        counts["product_views_hourly"][str(product), day, hour] += 1
    if referrer := event.get("referrer_url"):
        counts["referrer_views_daily"][day, referrer] += 1
    if store := event.get("store_id"):
        counts["store_views_daily"][day, country, str(store)] += 1


def main():
    # Only here, as the other peers have a client of their own.
    from confluent_kafka import Consumer, TopicPartition

    args = arguments(__doc__)
    views = None if args.views == "all" else args.views.split(",")
    database = connect(TABLES | OFFSETS)
    offsets = dict(database.execute("TABLE script_offsets").fetchall())
    database.commit()
    consumer = Consumer({"bootstrap.servers": args.brokers, "group.id": "script", "enable.auto.commit": False})
    partitions = consumer.list_topics(args.topic).topics[args.topic].partitions
    ends = {it: consumer.get_watermark_offsets(TopicPartition(args.topic, it))[1] for it in partitions}
    consumer.assign([TopicPartition(args.topic, it, offsets.setdefault(it, 0)) for it in partitions])
    while any(offsets[it] < end for it, end in ends.items()):
        counts = {table: Counter() for table in TABLES}
        for message in consumer.consume(50_000, timeout=0.1):
            event = json.loads(message.value())
            if views is None or event["collection"] in views:
                count(event, counts)
            offsets[message.partition()] = message.offset() + 1
        for table, key in TABLES.items():
            merge(database, table, key, counts[table])
        at = {(partition,): offset for partition, offset in offsets.items()}
        merge(database, "script_offsets", OFFSETS["script_offsets"], at, "excluded.views")
        database.commit()


if __name__ == "__main__":
    main()
