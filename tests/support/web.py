"""A plain HTTP client for tests: nothing is followed, decoded or retried."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

from pyspark_connect_web.wire import FrameDecoder, TextDecoder, encode_frame, encode_text, parse_trailers

from tests.support.jupyter import JupyterProcess

SERVICE = "spark.connect.SparkConnectService"


@dataclass
class Answer:
    """An HTTP response; header names are in lower case, values of a repeated one are joined by a comma."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class GrpcAnswer:
    """A grpc-web response."""

    http: Answer
    messages: list[bytes]
    trailers: dict[str, str]

    @property
    def status(self) -> int:
        """The gRPC status of the trailers frame."""
        return int(self.trailers["grpc-status"])

    @property
    def message(self) -> str:
        """The (still percent-encoded) message."""
        return self.trailers.get("grpc-message", "")


class Site:
    """A running Jupyter server."""

    def __init__(self, process: JupyterProcess) -> None:
        self.process = process
        self.base_url = process.base_url
        self.token = process.token

    @property
    def auth(self) -> dict[str, str]:
        """The header of a client that has the token."""
        return {"Authorization": f"token {self.token}"}

    def connect(self, timeout: float = 30) -> http.client.HTTPConnection:
        """A connection of the test's own."""
        return http.client.HTTPConnection("127.0.0.1", self.process.port, timeout=timeout)

    def begin(
        self, message: bytes, method: str = "ExecutePlan", *, endpoint: str = "synthetic", timeout: float = 30
    ) -> http.client.HTTPConnection:
        """Send a grpc-web call whose answer the test reads itself, or does not; it closes the connection too."""
        connection = self.connect(timeout)
        connection.request(
            "POST",
            f"{self.base_url}pcw/grpc/{endpoint}/{SERVICE}/{method}",
            body=encode_frame(message),
            headers={"Content-Type": "application/grpc-web+proto", **self.auth},
        )
        return connection

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        authenticated: bool = True,
        timeout: float = 30,
    ) -> Answer:
        """One request; a path that starts with ``/`` counts from the origin, else from base_url."""
        target = path if path.startswith("/") else self.base_url + path
        connection = self.connect(timeout)
        try:
            sent = {**(self.auth if authenticated else {}), **(headers or {})}
            connection.request(method, target, body=body, headers=sent)
            response = connection.getresponse()
            found: dict[str, str] = {}
            for name, value in response.getheaders():
                key = name.lower()
                found[key] = f"{found[key]}, {value}" if key in found else value
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def grpc(
        self,
        method: str,
        *messages: bytes,
        endpoint: str = "synthetic",
        service: str = SERVICE,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        text: bool = False,
        timeout: float = 30,
    ) -> GrpcAnswer:
        """One grpc-web call, whose answer must be well formed down to the last byte."""
        if body is None:
            body = b"".join(encode_frame(message) for message in messages)
        kind = "application/grpc-web-text+proto" if text else "application/grpc-web+proto"
        answer = self.request(
            "POST",
            f"pcw/grpc/{endpoint}/{service}/{method}",
            headers={"Content-Type": kind, **(headers or {})},
            body=encode_text(body) if text else body,
            timeout=timeout,
        )
        assert answer.status == 200, answer
        assert answer.headers["content-type"] == kind
        return decode(answer, text=text)

    def login(self) -> tuple[str, str]:
        """Log in as a browser does; returns the Cookie header and the XSRF value."""
        page = self.request("GET", "login", authenticated=False)
        cookies = SimpleCookie(page.headers["set-cookie"])
        xsrf = cookies["_xsrf"].value
        done = self.request(
            "POST",
            "login",
            authenticated=False,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Cookie": f"_xsrf={xsrf}",
            },
            body=f"password={self.token}&_xsrf={xsrf}".encode(),
        )
        assert done.status == 302, done
        jar = SimpleCookie()
        for part in done.headers["set-cookie"].split(", "):
            if "=" in part.split(";")[0] and not part.startswith(
                ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
            ):
                jar.load(part.split(";")[0])
        jar["_xsrf"] = xsrf
        return "; ".join(f"{name}={morsel.coded_value}" for name, morsel in jar.items()), xsrf


def decode(answer: Answer, *, text: bool = False) -> GrpcAnswer:
    """Decode a grpc-web body: messages, then exactly one trailers frame, then nothing."""
    body = answer.body
    if text:
        decoder = TextDecoder()
        body = decoder.feed(body)
        decoder.finish()
    frames = FrameDecoder()
    found = frames.feed(body)
    frames.finish()
    assert found, "an empty body"
    assert found[-1].is_trailers, found[-1]
    assert not any(frame.is_trailers for frame in found[:-1])
    return GrpcAnswer(answer, [f.payload for f in found[:-1]], dict(parse_trailers(found[-1].payload)))
