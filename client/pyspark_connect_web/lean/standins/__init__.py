"""The modules that PySpark sees under the names of packages that are not there."""
