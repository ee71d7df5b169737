"""What is written into a call: paths, framing of HTTP, names of methods, metadata, the user of a message."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError
from pyspark_connect_web.wire import encode_frame, encode_text

from pcw_server_ext.proxy.access.identity import encode_field
from pcw_server_ext.proxy.call.methods import METHODS, SPARK_CONNECT
from tests.security.attack.attempts import (
    Attempt,
    Headers,
    Outcome,
    Rule,
    anything,
    not_dialled,
    refused,
    request,
)
from tests.security.attack.target import ANN, BASE, BOB, SPARK_TOKEN, Target
from tests.security.login_headers import LOGIN_HEADERS
from tests.support.plans import base_pb2
from tests.support.upstream import order

TYPE = ("Content-Type", "application/grpc-web+proto")
AUTH = ("Authorization", f"Bearer {ANN}")
BODY = encode_frame(order())
GET = "my.Service/Get"


def call(path: str, *headers: tuple[str, str], body: bytes = BODY, who: tuple[str, str] = AUTH) -> bytes:
    """A call of somebody who may make it."""
    return request("POST", path, [TYPE, who, *headers], body)


def paths(target: Target) -> Iterator[Attempt]:
    """Other writings of an endpoint's path, and addresses in place of its name."""
    grpc = f"{BASE}pcw/grpc/"
    for name in (
        "127.0.0.1:22", "http://127.0.0.1:22", "sc%3A%2F%2F127.0.0.1%3A22", "svc;token=x", "svc%00", "svc%2f",
        "svc%20", "%20svc", "svc%0d%0aX-Evil:1", "SVC", "svc.", ".svc", "%2e%2e", "..", ".", "*", "svc,other",
        "svc%2500", "%252e%252e", "s%76c%00", "svc%c0%ae", "%ff", "svc%u002f", "__class__",
        "__proto__", "svc%09",
        "svc%e2%80%8b", "%ef%bd%93vc", "svc%3fx", "svc%23", "svc\\", "svc%5c..", "[svc]", "{svc}",
        "$svc", "~",
        "svc" * 5000, "-1", "0", "None", "default%00",
    ):  # fmt: skip
        yield Attempt("paths", f"endpoint {name[:40]}", call(f"{grpc}{name}/{GET}"))
    for path in (
        f"/{BASE}pcw/grpc/svc/{GET}", f"/{grpc}svc/{GET}", f"{grpc}/svc/{GET}", f"{grpc}svc//{GET}",
        f"{grpc}x/../svc/{GET}", f"{grpc}./svc/{GET}", f"{grpc}svc/./{GET}", f"{grpc}svc%2f{GET}",
        f"{grpc}svc/my.Service%2fGet", f"{grpc}svc/{GET}/", f"{grpc}svc/{GET}/x", f"{grpc}svc/{GET}%2f..",
        f"{BASE}pcw%2fgrpc/svc/{GET}", f"{BASE}PCW/grpc/svc/{GET}", f"{BASE}pcw/GRPC/svc/{GET}",
        f"{BASE}pcw\\grpc\\svc\\my.Service\\Get", f"/pcw/grpc/svc/{GET}", f"{BASE}x/../pcw/grpc/svc/{GET}",
        f"{BASE}%2e/pcw/grpc/svc/{GET}", f"pcw/grpc/svc/{GET}", f"http://evil.example{grpc}svc/{GET}",
        f"https://127.0.0.1{grpc}svc/{GET}", f"//evil.example{grpc}svc/{GET}", f"{grpc}svc;x=y/{GET}",
        f"*{grpc}svc/{GET}", "*", f"{grpc}svc/{GET};x", f"?{grpc}svc/{GET}", f"#{grpc}svc/{GET}",
    ):  # fmt: skip
        yield Attempt(
            "paths", f"POST {path}", call(path), not_dialled if path.startswith("http") else refused
        )


INNER = (
    f"POST {BASE}pcw/grpc/svc/my.Service/Smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    f"Authorization: Bearer {ANN}\r\nContent-Type: application/grpc-web+proto\r\n"
    "Content-Length: 5\r\n\r\n\0\0\0\0\0"
).encode()


def no_second_request(outcome: Outcome) -> str | None:
    """What is hidden in a body is not a request."""
    if any("Smuggled" in received.path for received in outcome.reached):
        return "a request inside a body was made"
    return None


def framing(target: Target) -> Iterator[Attempt]:
    """Requests whose length two readers see differently, with a request inside."""
    # what is around the inner request is no valid call: it would be answered before its body is read
    outer = f"{BASE}pcw/api/tokens"
    start = f"POST {outer} HTTP/1.1\r\nHost: 127.0.0.1\r\n{AUTH[0]}: {AUTH[1]}\r\n"
    length = len(INNER)
    chunk = b"0\r\n\r\n" + INNER
    cases: dict[str, tuple[str, bytes]] = {}
    for name, coding in {
        "chunked": "Transfer-Encoding: chunked", "identity": "Transfer-Encoding: identity",
        "space before the colon": "Transfer-Encoding : chunked", "tab": "Transfer-Encoding:\tchunked",
        "two codings": "Transfer-Encoding: gzip, chunked",
        "twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
        "large letters": "Transfer-Encoding: CHUNKED", "quoted": 'Transfer-Encoding: "chunked"',
        "unknown": "Transfer-Encoding: xchunked", "control character": "Transfer-Encoding: \x0bchunked",
        "folded": "Transfer-Encoding:\r\n chunked", "comma": "Transfer-Encoding: ,chunked",
        "null in the name": "Transfer\x00-Encoding: chunked", "_": "Transfer_Encoding: chunked",
        "high octet": "Transfer-Encoding: \xa0chunked",
    }.items():  # fmt: skip
        cases[f"length and {name}"] = (f"Content-Length: {len(chunk)}\r\n{coding}\r\n", chunk)
    for name, text in {
        "two lengths": f"Content-Length: 0\r\nContent-Length: {length}",
        "list": f"Content-Length: 0, {length}",
        "same twice": f"Content-Length: {length}, {length}", "plus": f"Content-Length: +{length}",
        "minus": "Content-Length: -1", "hexadecimal": f"Content-Length: {length:#x}",
        "underscore": "Content-Length: 1_0",
        "space inside": "Content-Length: 1 0", "other digits": "Content-Length: \xb2",
        "none": "Content-Length:",
        "huge": f"Content-Length: {'9' * 25}", "too large": "Content-Length: 99999999999",
        "float": "Content-Length: 5.0",
        "space before the colon": f"Content-Length : {length}", "folded": f"Content-Length:\r\n {length}",
        "null": "Content-Length: 5\x00", "zeros": f"Content-Length: {'0' * 30}{length}",
        "hidden by a line feed": f"X: a\nContent-Length: {length}",
        "return alone": f"X: a\rContent-Length: {length}",
    }.items():  # fmt: skip
        cases[f"length: {name}"] = (f"{text}\r\n", b"x" * 5 if name in ("huge", "too large") else INNER)
    for name, body in {
        "extension": b"5;a=\n\r\nhello\r\n0\r\n\r\n", "bad size": b"0x5\r\nhello\r\n0\r\n\r\n",
        "minus": b"-1\r\nx\r\n0\r\n\r\n", "plus": b"+5\r\nhello\r\n0\r\n\r\n",
        "underscore": b"1_0\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n",
        "space": b" 5\r\nhello\r\n0\r\n\r\n", "line feed": b"5\nhello\n0\n\n",
        "no end": b"5\r\nhello0\r\n\r\n",
        "huge": b"ffffffffffffffffff\r\nx", "empty": b"\r\nhello\r\n0\r\n\r\n",
    }.items():  # fmt: skip
        cases[f"chunk: {name}"] = ("Transfer-Encoding: chunked\r\n", body)
    for name, (headers, body) in cases.items():
        # a length of zero in front of a request is two requests in a row, which is allowed to their sender
        rule: Rule = no_second_request if name != "length: none" else anything
        data = start.encode("latin-1") + headers.encode("latin-1") + b"Connection: close\r\n\r\n" + body
        yield Attempt("HTTP framing", name, data, rule, patience=2)
    raw = {
        "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0",
        "upgrade to HTTP/2": request("GET", outer, [("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")]),
        "upgrade to a socket": request("GET", f"{BASE}pcw/grpc/svc/{GET}", [AUTH, ("Upgrade", "websocket")]),
        "CONNECT": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n",
        "HTTP/0.9": b"GET /\r\n\r\n",
        "HTTP/9.9": b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
        "no Host": f"GET {outer} HTTP/1.1\r\n\r\n".encode(),
        "two Hosts": f"GET {outer} HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n".encode(),
        "lines without names": f"GET {outer} HTTP/1.1\r\nHost: 127.0.0.1\r\n: x\r\nnonsense\r\n\r\n".encode(),
        "octets": bytes(range(256)) * 20,
        "TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(200),
        "3,000 headers": request("GET", outer, [(f"X-{n}", "1") for n in range(3000)]),
        "a header of 100,000": request("GET", outer, [("X", "a" * 100_000)]),
        "an address of 100,000": request("GET", outer + "?" + "a" * 100_000),
        "Expect": call(f"{BASE}pcw/grpc/svc/{GET}", ("Expect", "nonsense")),
        "verb in small letters": f"get {outer} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode(),
    }
    for name, data in raw.items():
        rule = anything if name == "Expect" else not_dialled
        yield Attempt("HTTP framing", name, data, rule, patience=2)


def names(target: Target) -> Iterator[Attempt]:
    """What is no name of a service or a method, and names that are not served."""
    execute = "spark.connect.SparkConnectService%2fExecutePlan"
    wrong = (
        f"x%2f..%2f..%2f{execute}", "..", "%2e%2e", "a%0d%0aX-Evil:1", "a%0a", "a%0d", "a%00",
        "a%20HTTP%2f1.1",
        "a%3fb", "a%23b", "a;b", "a%25b", "%F0%9F%98%80", "%C3%A9", "a%D9%A3", "1a", "a-b",
        "a" * 20_000, "a" * 256,
        "%ff%fe", "a%2fb", "a%5cb", "a%7fb", "a%e2%80%a8b", "a,b", "a:b", "a@b", "a(b)", "*",
        "a+b", "a%20b", "$a", "a.",
        ".a", "a..b",
    )  # fmt: skip
    for name in wrong:
        dotted = "." in name.strip("%") and "%" not in name and name not in ("..",)
        yield Attempt("names", f"service {name[:40]}", call(f"{BASE}pcw/grpc/svc/{name}/Get"))
        yield Attempt("names", f"method {name[:40]}", call(f"{BASE}pcw/grpc/svc/my.Service/{name}"))
        if not dotted:
            yield Attempt("names", f"Spark's {name[:40]}", call(f"{BASE}pcw/grpc/svc/{SPARK_CONNECT}/{name}"))
    for path in (
        "my.Listed/Put", "my.Listed/get", "my.Other/Get", "My.Service/Get", "my/Get",
        f"{SPARK_CONNECT}/DropEverything",
        f"{SPARK_CONNECT}/executeplan", f"{SPARK_CONNECT.lower()}/ExecutePlan", "grpc.health.v1.Health/Check",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "grpc.channelz.v1.Channelz/GetServers",
        f"x.{SPARK_CONNECT}/ExecutePlan", "SparkConnectService/ExecutePlan",
    ):  # fmt: skip
        yield Attempt("names", f"not served: {path}", call(f"{BASE}pcw/grpc/svc/{path}"), not_dialled)
    for kind in (
        "application/json",
        "text/plain",
        "application/grpc",
        "application/grpc-web+json",
        "",
        "a/b; c=\xff",
    ):
        data = request("POST", f"{BASE}pcw/grpc/svc/{GET}", [("Content-Type", kind), AUTH], BODY)
        yield Attempt("names", f"type {kind!r}", data)


def metadata(target: Target) -> Iterator[Attempt]:
    """Headers that must not go up, and metadata that must not be what it says."""
    path = f"{BASE}pcw/grpc/svc/{GET}"
    allowed = {"x-mine": "mine", "authorization": f"Bearer {SPARK_TOKEN}"}

    def reached(outcome: Outcome) -> str | None:
        for received in outcome.reached:
            more = {
                name: value
                for name, value in received.metadata.items()
                if name != "user-agent" and allowed.get(name) != value
            }
            if more:
                return f"Spark got {more}"
        return None

    jupyters = (
        "authorization", "cookie", "set-cookie", "host", "origin", "referer", "x-xsrftoken", "content-length",
        "transfer-encoding", "te", "connection", "keep-alive", "upgrade", "proxy-authorization",
        "grpc-timeout",
        "grpc-encoding", "grpc-status", "grpc-message", "sec-fetch-site", "sec-websocket-key",
        "x-pcw-metadata",
        "user-agent", "x_mine", "x mine", ":path", ":authority", "x-jupyterhub-token",
        "content-type", "expect",
        "accept-encoding", "range", "if-none-match", "trailer",
    )  # fmt: skip
    for name in LOGIN_HEADERS:
        yield Attempt(
            "metadata",
            f"{name} stays here",
            call(path, (name, "HEADER-VALUE"), ("X-Mine", "mine"), ("X-Pcw-Metadata", "x-mine")),
            reached,
        )
    for name in jupyters:
        yield Attempt(
            "metadata", f"{name} is declared", call(path, ("X-Pcw-Metadata", f"x-mine,{name}")), reached
        )
    values = {
        "return and line feed": "a\r\n x-evil: 1", "return": "a\rx-evil: 1",
        "line feed": "a\nx-evil: 1", "null": "a\0b",
        "high octets": "\xff\xfe", "delete": "a\x7f", "escape": "\x1b[31m", "tab": "a\tb",
        "a form feed": "a\x0cb",
    }  # fmt: skip

    def unbroken(outcome: Outcome) -> str | None:
        for received in outcome.reached:
            if "x-evil" in received.metadata or any(
                isinstance(value, str) and any(ord(letter) < 32 or ord(letter) == 127 for letter in value)
                for value in received.metadata.values()
            ):
                return f"Spark got {received.metadata}"
        return None

    for name, value in values.items():
        for header in ("X-Mine", "X-Mine-Bin", "X-Pcw-Metadata", "grpc-timeout", "Accept"):
            yield Attempt(
                "metadata",
                f"{name} in {header}",
                call(path, (header, value), ("X-Pcw-Metadata", "x-mine,x-mine-bin")),
                unbroken,
                patience=5,
            )
    sizes: dict[str, Headers] = {
        "a value of 9,000": (("X-Mine", "a" * 9_000), ("X-Pcw-Metadata", "x-mine")),
        "a value of 50,000": (("X-Mine", "a" * 50_000), ("X-Pcw-Metadata", "x-mine")),
        "60 values": (
            *((f"X-{n}", "a" * 200) for n in range(60)),
            ("X-Pcw-Metadata", ",".join(f"x-{n}" for n in range(60))),
        ),
        "65 names": (("X-Pcw-Metadata", ",".join(f"x-{n}" for n in range(65))),),
        "one name 1,000 times": (
            *(("X-Mine", "aaaaaaaaa") for _ in range(1000)),
            ("X-Pcw-Metadata", "x-mine"),
        ),
        "an encoding of 9,000": (("grpc-accept-encoding", "a" * 9_000),),
    }
    for name, headers in sizes.items():
        yield Attempt("metadata", name, call(path, *headers), not_dialled)
    for timeout in ("", "0", "-1S", "1", "999999999S", "1e3S", "S", "1 S", "1s", "0x1S", "\xb2S", "1Y"):
        yield Attempt("metadata", f"deadline {timeout!r}", call(path, ("grpc-timeout", timeout)), anything)


def hidden_users() -> dict[str, bytes]:
    """Ways to name another user than the one who is logged in."""
    user = base_pb2.UserContext(user_id="eve", user_name="eve").SerializeToString()
    plain = encode_field(2, user)
    return {
        "plain": plain,
        "twice": plain + plain,
        "empty and plain": encode_field(2, b"") + plain,
        "long length": b"\x12" + bytes([len(user) | 0x80, 0x80, 0x80, 0x00]) + user,
        "long tag": b"\x92\x80\x80\x00" + bytes([len(user)]) + user,
        "not a message": encode_field(2, b"\xff\xff\xff"),
        "cut off inside": encode_field(2, user + b"\x12\x7fx"),
        "open field at its end": encode_field(2, user + b"\x7a\x20"),
        "number in place of a name": encode_field(2, b"\x08\x05"),
        "octets in place of a name": encode_field(2, encode_field(1, b"\xff\xfe")),
        "a group": encode_field(2, b"\x0b" + user + b"\x0c"),
        "a group around": b"\x13" + user + b"\x14",
        "field zero inside": encode_field(2, b"\x02\x00"),
        "number in place of a user": b"\x10\x05",
        "fixed in place of a user": b"\x15\0\0\0\0",
        "open field behind": plain + b"\x7a\x0c",
        "open length behind": plain + b"\x7a\xff",
        "open number behind": plain + b"\x78\xff",
        "open group behind": plain + b"\x7b",
        "end of a group behind": plain + b"\x0c",
        "large": encode_field(2, encode_field(999, b"x" * 70_000) + user),
    }


def of_bob(outcome: Outcome) -> str | None:
    """Every message that Spark got is bob's, as Google's parser reads it."""
    for received in outcome.reached:
        for message in received.messages:
            try:
                seen = base_pb2.ConfigRequest.FromString(message)
            except DecodeError:
                continue
            if (seen.user_context.user_id, seen.user_context.user_name) != ("bob", "bob"):
                return f"Spark sees the user {seen.user_context.user_id!r}"
    return None


def identity(target: Target) -> Iterator[Attempt]:
    """Bob says that he is eve, in each method, in both encodings."""
    bob = ("Authorization", f"Bearer {BOB}")
    session = encode_field(1, b"session-of-eve")
    for method in METHODS:
        path = f"{BASE}pcw/grpc/svc/{SPARK_CONNECT}/{method}"
        for name, user in hidden_users().items():
            body = encode_frame(session + user)
            yield Attempt("identity", f"{method}: {name}", call(path, body=body, who=bob), of_bob)
        body = encode_frame(session + hidden_users()["plain"])
        text = ("Content-Type", "application/grpc-web-text+proto")
        for name, data in {
            "as text": encode_text(body),
            "as text in pieces": b"".join(encode_text(body[at : at + 7]) for at in range(0, len(body), 7)),
        }.items():
            yield Attempt("identity", f"{method}: {name}", request("POST", path, [text, bob], data), of_bob)
        for name, data in {
            "compressed": b"\x01" + body[1:],
            "as trailers": b"\x80" + body[1:],
            "unknown flags": b"\x7e" + body[1:],
            "cut": body[:-3],
            "too long": b"\0\x7f\xff\xff\xff" + body[5:],
            "nothing": b"",
            "two": body + body,
        }.items():
            yield Attempt("identity", f"{method}: {name}", call(path, body=data, who=bob), of_bob)
