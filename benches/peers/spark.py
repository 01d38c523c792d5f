#!/usr/bin/env -S spark-submit --packages org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0
"""The same four reports by Spark Structured Streaming.

Everything is counted by built-in functions, so no record enters Python; what each micro-batch counted is merged by COPY, in one
transaction with the number of the batch, which makes a batch that comes twice count once. It ends at the end of the topic.
`make bench-peers` installs pyspark for it.
"""
import os
import sys
import tempfile

import psycopg
from pyspark.sql import SparkSession, functions as f

sys.dont_write_bytecode = True
from script import TABLES, arguments, connect, merge, names

EVENT = "collection string, local_time string, time_stamp long, current_url string, product_id string, referrer_url string, store_id string"
ABSENT = {"product_views_hourly": "product_id", "referrer_views_daily": "referrer_url", "store_views_daily": "store_id"}


def main():
    args = arguments(__doc__)
    database = connect(TABLES)
    cores = os.cpu_count()
    settings = {"spark.sql.shuffle.partitions": cores, "spark.sql.session.timeZone": "UTC", "spark.log.level": "ERROR"}
    settings |= {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1"}
    spark = SparkSession.builder.config(map=settings).getOrCreate()
    source = {"kafka.bootstrap.servers": args.brokers, "subscribe": args.topic, "startingOffsets": "earliest"}
    records = spark.readStream.format("kafka").options(**source).load()
    event = records.select(f.from_json(f.col("value").cast("string"), EVENT).alias("event")).select("event.*")
    if args.views != "all":
        event = event.where(f.col("collection").isin(args.views.split(",")))
    time = f.coalesce("local_time", f.from_unixtime("time_stamp"))
    label = f.substring_index(f.try_parse_url("current_url", f.lit("HOST")), ".", -1)
    country = f.when(label == "uk", "GB").when(f.length(label) == 2, f.upper(label)).otherwise("ZZ")
    views = event.select(
        f.substring(time, 1, 10).alias("day"),
        f.substring_index(f.substring(time, 12, 2), ":", 1).cast("int").alias("hour"),
        country.alias("country"),
        *(f.when(f.col(it) != "", f.col(it)).alias(it) for it in ABSENT.values()),
    )

    def merge_batch(batch, number):
        batch.persist()
        seen = database.execute("SELECT 1 FROM spark_batches WHERE number = %s", [number]).fetchone()
        for table, key in {} if seen else TABLES.items():
            columns = names(key)
            counted = batch.where(f.col(ABSENT[table]).isNotNull()) if table in ABSENT else batch
            counted = counted.groupBy(columns).count().collect()
            rows = {tuple(row[it] for it in columns): row["count"] for row in counted}
            merge(database, table, key, rows)
        database.execute("INSERT INTO spark_batches VALUES (%s) ON CONFLICT DO NOTHING", [number])
        database.commit()
        batch.unpersist()

    database.execute("CREATE TABLE IF NOT EXISTS spark_batches (number bigint PRIMARY KEY)")
    database.commit()
    with tempfile.TemporaryDirectory() as checkpoints:
        query = views.writeStream.foreachBatch(merge_batch).option("checkpointLocation", checkpoints)
        query.trigger(availableNow=True).start().awaitTermination()
    spark.stop()


main()
