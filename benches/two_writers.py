"""What a second connection would gain that writes half of an epoch's rows: docs/scale.md has the figures.

    two_writers.py postgresql://… ROWS

Upserts ROWS rows into each of two tables: in one transaction of one connection, and in two transactions side by side that
are prepared and then committed. Postgres must run here, with max_prepared_transactions=2.
"""

import pathlib
import sys
import threading
import time

import psycopg

EPOCHS = 100
UPSERT = """INSERT INTO {0} SELECT n::text, '2020-06-01', n %% 24, 1 FROM generate_series(%s::int, %s::int) AS n
    ON CONFLICT (product_id, day, hour) DO UPDATE SET views = {0}.views + EXCLUDED.views"""
TABLES = ("first_table", "second_table")


def upsert(connection, table, epoch):
    # Three of four rows are there already.
    begin = epoch * rows // 4
    connection.execute(UPSERT.format(table), (begin, begin + rows - 1))


def by_one(epoch):
    with connections[0].transaction():
        for table in TABLES:
            upsert(connections[0], table, epoch)


def by_two(epoch):
    def prepare(connection, table):
        connection.execute("BEGIN")
        upsert(connection, table, epoch)
        connection.execute(f"PREPARE TRANSACTION '{table}'")

    threads = [threading.Thread(target=prepare, args=pair) for pair in zip(connections, TABLES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for table in TABLES:
        connections[0].execute(f"COMMIT PREPARED '{table}'")


def cpu():
    """Seconds that all processes of Postgres have used."""
    used = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = stat.read_text().rsplit(") ", 1)
        except OSError:
            continue
        if "(postgres" in name:
            used += sum(map(int, fields.split()[11:13]))
    return used / 100


address, rows = sys.argv[1], int(sys.argv[2])
connections = [psycopg.connect(address, autocommit=True) for _ in TABLES]
for turn in range(3):
    for way in (by_one, by_two):
        for table in TABLES:
            connections[0].execute(f"DROP TABLE IF EXISTS {table}")
            connections[0].execute(
                f"CREATE TABLE {table} (product_id text, day date, hour smallint, views bigint, "
                "PRIMARY KEY (product_id, day, hour))"
            )
        connections[0].execute("CHECKPOINT")
        used, begin = cpu(), time.monotonic()
        for epoch in range(EPOCHS):
            way(epoch)
        took = time.monotonic() - begin
        print(f"{way.__name__}: {took / EPOCHS * 1e3:.1f} ms an epoch, Postgres {(cpu() - used) / EPOCHS * 1e3:.1f} ms of CPU")
