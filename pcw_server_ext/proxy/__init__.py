"""The grpc-web endpoint: authenticate, resolve a configured name, relay bytes untouched.

handlers            Tornado: authentication, HTTP errors, the request's body piece by piece
relay               the pump between a browser's request and an upstream call
request_body        checks grpc-web message framing without holding messages
request_fields      the session and the operation that a request names
keepalive           a browser that vanished is noticed
operations          which queries nobody waits for any more
expiring            what becomes due when nothing happens
absent              the calls made in place of clients that have left
undelivered         errors that wait for the client to ask for the rest of an answer
identity            who Spark sees
metadata            what may pass between browser and upstream
upstream            asyncio connections to one Spark Connect server
http2               the sans-io HTTP/2 client core under it
connection_string   ``sc://`` URLs as Spark documents them
endpoints           the configured names and what stands behind each
"""
