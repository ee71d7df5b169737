"""The Python side of the kernel "PySpark (browser)": what is imported ahead, and how it starts."""

from .preloading import preload
from .starting import start

__all__ = ["preload", "start"]
