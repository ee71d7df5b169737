"""Python values to Arrow arrays of a given type, with pyarrow's rules, error classes and messages.

Each encoder tries a path that handles a whole column at C speed (:mod:`array`, ``b"".join``, ``map``); only when
that meets a value it cannot take does a second path look at every item, to convert it or to name the culprit.
"""

from __future__ import annotations

from pyspark_connect_web.lean.arrow.encode import nested, numbers, text, times
from pyspark_connect_web.lean.arrow.encode.dispatch import ENCODERS, encode

__all__ = ["encode"]

ENCODERS.update(
    {
        "null": numbers.encode_null,
        "bool": numbers.encode_bool,
        **dict.fromkeys(
            ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"), numbers.encode_int
        ),
        **dict.fromkeys(("halffloat", "float", "double"), numbers.encode_float),
        **dict.fromkeys(("decimal32", "decimal64", "decimal128", "decimal256"), numbers.encode_decimal),
        **dict.fromkeys(("string", "binary", "large_string", "large_binary"), text.encode_binary),
        "fixed_size_binary": text.encode_fixed_binary,
        **dict.fromkeys(("date32", "date64"), times.encode_date),
        "timestamp": times.encode_timestamp,
        "duration": times.encode_duration,
        **dict.fromkeys(("time32", "time64"), times.encode_time),
        "month_day_nano_interval": times.encode_month_day_nano,
        **dict.fromkeys(("list", "large_list"), nested.encode_list),
        "fixed_size_list": nested.encode_fixed_list,
        "map": nested.encode_map,
        "struct": nested.encode_struct,
    }
)
