"""Arrow in pure Python: types, arrays, tables and IPC streams, as much as a Spark Connect client needs.

Nothing here knows of PySpark. Reading and writing need the standard library only, and `zstandard` for compressed
streams before Python 3.14 (`codecs`). What this implementation cannot do is left to the real pyarrow (`lean.full`). The
public face, under pyarrow's names, is put together in `lean.standins.pyarrow`.
"""
