"""Reads folders of Parquet files with Spark: a JSON array of folder and row a line, as parquet_check.py prints rows.

spark_check.py FOLDER...
"""
import json
import sys

from plain import plain
from pyspark.sql import SparkSession

LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}

spark = SparkSession.builder.master("local[1]").config(map=LOOPBACK).getOrCreate()
for folder in sys.argv[1:]:
    for row in spark.read.parquet(folder).toLocalIterator():
        cells = {name: plain(value) for name, value in row.asDict().items() if name != "contracts"}
        print(json.dumps([folder, cells], ensure_ascii=False))
