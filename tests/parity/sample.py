"""A sample of the docstrings, for every test run: each kind of value, of call and of printing once."""

SAMPLE: dict[str, tuple[str, ...]] = {
    "column": ("Column.between", "Column.getField", "Column.over", "Column.substr"),
    "functions.builtin": (
        "aggregate", "array_sort", "bround", "collect_list", "create_map", "date_add", "explode", "from_json",
        "make_dt_interval", "map_from_arrays", "named_struct", "percentile_approx", "posexplode", "regexp_replace",
        "sequence", "to_timestamp", "transform", "unhex", "when",
    ),
    "dataframe": (
        "DataFrame.collect", "DataFrame.fillna", "DataFrame.join", "DataFrame.show", "DataFrame.toLocalIterator",
        "DataFrame.unpivot",
    ),
    "group": ("GroupedData.pivot",),
    "readwriter": ("DataFrameReader.csv", "DataFrameWriter.parquet"),
    "session": ("SparkSession.createDataFrame", "SparkSession.sql"),
    "streaming.query": ("StreamingQueryManager.addListener", "StreamingQueryManager.removeListener"),
    "types": ("Row", "StructType", "ArrayType"),
    "window": ("Window.rowsBetween",),
}  # fmt: skip
