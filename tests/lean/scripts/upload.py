"""What the lean client holds while it uploads: prints one JSON object, {case: {"sent", "held", "peak"}}, in bytes.

``held``: Python's memory above the caller's own data, at most, while the transport takes the body; ``peak``: at any
time. The transport drops what it takes and answers in the server's place, so that no server's memory is counted.
"""

import json
import os
import sys
import tempfile
import tracemalloc

import pyspark_connect_web
from pyspark_connect_web import wire
from pyspark_connect_web.channel.api import Head

MIB = 1 << 20

pyspark_connect_web.install(lean=True)

from pyspark.sql import SparkSession  # noqa: E402
from pyspark.sql.connect.proto import base_pb2  # noqa: E402
from pyspark.sql.types import StringType, StructField, StructType  # noqa: E402

SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.session.localRelationCacheThreshold": str(MIB),
    "spark.sql.session.localRelationSizeLimit": str(3 << 30),
    "spark.sql.session.localRelationChunkSizeRows": "10000",
    "spark.sql.session.localRelationChunkSizeBytes": str(16 * MIB),
    "spark.sql.session.localRelationBatchOfChunksSizeBytes": str(1 << 30),
}


class Answer:
    """A finished call."""

    def __init__(self, message):
        self._body = wire.encode_frame(message.SerializeToString()) + wire.encode_trailers(
            [("grpc-status", "0")]
        )

    def head(self):
        return Head(200, [("content-type", "application/grpc-web+proto")])

    def ready(self):
        return True

    def read(self):
        body, self._body = self._body, b""
        return body

    def cancel(self):
        pass


class Dropping:
    """A transport that takes every part and keeps none."""

    def __init__(self):
        self.sent = self.held = 0

    def call(self, url, headers, parts, timeout):
        method = url.rpartition("/")[2]
        if method == "AddArtifacts":
            for part in parts:
                self.sent += len(part)
                self.held = max(self.held, tracemalloc.get_traced_memory()[0])
            return Answer(base_pb2.AddArtifactsResponse())
        frame = wire.FrameDecoder().feed(b"".join(parts))[0]
        if method == "ArtifactStatus":
            return Answer(base_pb2.ArtifactStatusesResponse())
        assert method == "Config", method
        request = base_pb2.ConfigRequest.FromString(frame.payload)
        answer = base_pb2.ConfigResponse(session_id=request.session_id)
        for key in request.operation.get.keys:
            answer.pairs.add(key=key, value=SETTINGS.get(key, "false"))
        return Answer(answer)

    def close(self):
        pass


def measured(work):
    transport = spark.client._channel._transport = Dropping()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"sent": transport.sent, "held": transport.held - before, "peak": peak - before}


spark = SparkSession.builder.remote("http://127.0.0.1:9/").getOrCreate()
schema = StructType([StructField("s", StringType())])
text = "x" * 1016
rows = [(f"{i:08}{text}",) for i in range(64 * 1024)]
found = {"relation": measured(lambda: spark.createDataFrame(rows, schema))}
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "archive.zip")
    with open(path, "wb") as file:
        file.truncate(100 * MIB)
    found["artifact"] = measured(lambda: spark.addArtifact(path, archive=True))
print(json.dumps(found), flush=True)
# Ending the session would ask the server.
sys.stdout.flush()
os._exit(0)
