"""gRPC calls over any transport, as the stub of PySpark makes them."""
