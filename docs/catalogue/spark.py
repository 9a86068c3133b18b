"""Tags the recordings of a list with Spark, each partition through one worker, and writes Parquet files.

    spark-submit spark.py TRAINER MODEL LIST OUT

TRAINER is the program `trainer` and MODEL an ONNX file, both where each executor finds them. LIST has a path or an address
a line.
"""

import json
import shlex
import sys

from pyspark.sql import SparkSession
from pyspark.sql.types import DoubleType, MapType, StringType, StructField, StructType

SCHEMA = StructType([
    StructField("path", StringType()),
    StructField("sha256", StringType()),
    StructField("model_sha256", StringType()),
    StructField("seconds", DoubleType()),
    StructField("mean", MapType(StringType(), DoubleType())),
    StructField("max", MapType(StringType(), DoubleType())),
    StructField("error", StringType()),
])


def row(line):
    answer = json.loads(line)
    return tuple(answer.get(field.name) for field in SCHEMA)


def main():
    trainer, model, recordings, out = sys.argv[1:]
    spark = SparkSession.builder.appName("tagvane").getOrCreate()
    paths = spark.sparkContext.textFile(recordings, minPartitions=spark.sparkContext.defaultParallelism)
    worker = shlex.join([trainer, "tag", model, "--worker", "--ignore-failed"])
    answers = paths.pipe(worker, checkCode=True)
    spark.createDataFrame(answers.map(row), SCHEMA).write.mode("overwrite").parquet(out)
    spark.stop()


if __name__ == "__main__":
    main()
