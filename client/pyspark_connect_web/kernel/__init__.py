"""The Python side of the kernel "PySpark (browser)": what is imported ahead, and how it starts."""

from pyspark_connect_web.kernel.packages.preinstall import preinstall
from pyspark_connect_web.kernel.preloaded import preload
from pyspark_connect_web.kernel.startup import start

__all__ = ["preinstall", "preload", "start"]
