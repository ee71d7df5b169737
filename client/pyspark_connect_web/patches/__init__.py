"""What is changed in PySpark."""
