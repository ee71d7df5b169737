"""The grpc-web endpoint: authenticate, resolve a configured name, relay bytes untouched.

http            Tornado: authentication, CORS, HTTP errors, the request and the answer piece by piece
access          who may call an endpoint, and as whom Spark sees them
call            one call: the methods, what may be asked, the metadata that passes, the relay of the answer
sessions        queries and sessions between calls: which nobody waits for any more, and what is done about them
upstream        Spark Connect servers: configuration, credentials, connections, the sans-io HTTP/2 core
observability   metrics, events, log lines
service         what the handlers share
"""
