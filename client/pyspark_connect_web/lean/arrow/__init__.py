"""Arrow in pure Python: types, arrays, tables and IPC streams, as much as a Spark Connect client needs.

Nothing here imports anything but the standard library, and nothing knows of PySpark. The public face, under
pyarrow's names, is put together in ``lean.standins.pyarrow``.
"""
