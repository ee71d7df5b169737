"""Connections cut and servers killed in the middle of real results.

cutter      a TCP relay that cuts its connections after a given number of bytes
query       the program that runs queries with PySpark over the client's HTTP channel
test_cuts   cuts at random places of a result of 4,000,000 rows
"""
