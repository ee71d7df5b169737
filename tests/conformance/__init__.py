"""The public conformance suite of the Connect project, run against the endpoint and against the client.

suite       builds the pinned runner and the Python code of its protocol buffers, below ``build/``
service     ConformanceService on grpcio, the upstream
rewrite     lets a runner that knows no path prefix and no token reach the endpoint
server      the program of server mode: a real Jupyter server in front of the service
client      the program of client mode: the client's stub over its HTTP channel
__main__    runs both modes and prints the score
"""
