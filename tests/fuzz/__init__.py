"""Random input against everything that reads bytes of a peer: only documented errors, bounded memory, no hang.

mutate    generators and mutations
codec     the grpc-web codec, fed whole and in pieces
http2     the HTTP/2 core, fed whole and in pieces
request   request framing and connection strings
handler   raw HTTP requests against a real Jupyter server
__main__  ``python -m tests.fuzz``: the runner; a failure prints the seed that repeats it
"""
