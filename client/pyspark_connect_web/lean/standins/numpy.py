"""What PySpark sees as numpy: classes to test literals and data against.

===========================  =========================================================================
asked for                    answer
===========================  =========================================================================
``np.ndarray``, scalar types  recognise real objects, and then numpy is real for PySpark
``np.dtype(...)``, the rest   the real numpy is loaded, or :class:`PackageNotLoaded`
===========================  =========================================================================
"""

from __future__ import annotations

from types import ModuleType

from pyspark_connect_web.lean.standins._module import make, placeholder

_CLASSES = (
    "generic", "ndarray", "dtype", "bool_", "str_", "int8", "int16", "int32", "int64", "uint8", "uint16",
    "uint32", "uint64", "float32", "float64", "datetime64", "timedelta64", "bytes_", "intp", "floating",
)  # fmt: skip


def build() -> ModuleType:
    members: dict[str, object] = {name: placeholder("numpy", name) for name in _CLASSES}
    members["__version__"] = "2.0.0"
    return make("numpy", members, __doc__ or "")
