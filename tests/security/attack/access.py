"""Who is let in: credentials, rights, tokens for one endpoint, pages of other origins, XSRF values, host names."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from pyspark_connect_web.wire import encode_frame

from tests.security.attack.attempts import (
    Attempt,
    Headers,
    Outcome,
    Rule,
    answered,
    preflight_allows_nothing,
    refused,
    request,
)
from tests.security.attack.target import ALLOWED_ORIGIN, ANN, BASE, BOB, COOKIE, NOBODY, READER, XSRF, Target
from tests.support.upstream import order

GRPC = "pcw/grpc/svc/spark.connect.SparkConnectService/Config"
TYPE = ("Content-Type", "application/grpc-web+proto")
BODY = encode_frame(order())
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
ROUTES = (
    GRPC,
    "pcw/grpc/svc/my.Service/Get",
    "pcw/grpc/none/my.Service/Get",
    "pcw/api/endpoints",
    "pcw/api/endpoints/svc",
    "pcw/api/tokens",
    "pcw/api/tokens/TOKEN-ID",
    "pcw/api/sites",
    "pcw/api/sites/victim",
    "pcw/api/sites/victim/download",
    "pcw/api/sites/victim/trust",
    "pcw/sites/victim/",
    "pcw/sites/victim/data.txt",
    "pcw/guests/victim/",
    "pcw/lite/",
)
PUBLIC = ("pcw/runtime/current/manifest.json", "pcw/runtime/0123abcd/js/network_worker.js")
"""Routes that anybody may read; see `pcw_server_ext/runtime/handlers.py`."""
STRANGERS: dict[str, Headers] = {
    "nothing": (),
    "a guess": (("Authorization", "Bearer guess"),),
    "a part of a token": (("Authorization", f"token {ANN[:-1]}"),),
    "a token and more": (("Authorization", f"token {ANN}x"),),
    "a token in small letters": (("Authorization", f"token {ANN.lower()}"),),
    "an empty token": (("Authorization", "token "),),
    "Basic": (("Authorization", "Basic " + base64.b64encode(f"ann:{ANN}".encode()).decode()),),
    "Digest": (("Authorization", f'Digest username="{ANN}"'),),
    "a forged cookie": (("Cookie", "login=forged; username-127-0-0-1=2|1:0|10:1|forged"),),
    "a header of a proxy": (("X-Remote-User", "ann"), ("Remote-User", "ann"), ("X-Forwarded-User", "ann")),
    "another header": (("X-Auth-Token", ANN), ("Proxy-Authorization", f"Bearer {ANN}"), ("Token", ANN)),
    "an unknown token for one endpoint": (("Authorization", f"Bearer pcw_{'0' * 16}_{'A' * 43}"),),
    "a path in a token": (("Authorization", "Bearer pcw_../../outside.txt"),),
    "two headers": (("Authorization", "Bearer a"), ("Authorization", "Bearer b")),
    "a null": (("Authorization", "Bearer \x00"),),
}
COOKIES: Headers = (("Cookie", f"login={COOKIE}; _xsrf={XSRF}"),)


def at(path: str, target: Target) -> str:
    """The path of a route, below the base URL."""
    return BASE + path.replace("TOKEN-ID", target.token_id)


def rule_of(verb: str) -> Rule:
    """What must hold of an answer to a stranger."""
    return preflight_allows_nothing if verb == "OPTIONS" else refused


def sent(verb: str, path: str, headers: Headers, *, host: str = "127.0.0.1") -> bytes:
    """A request of a route as its client would send it."""
    if verb not in ("POST", "PUT", "PATCH"):
        return request(verb, path, headers, host=host)
    grpc = "/pcw/grpc/" in path
    return request(verb, path, [TYPE, *headers] if grpc else headers, BODY if grpc else b"{}", host=host)


def authentication(target: Target) -> Iterator[Attempt]:
    """Every route, verb and wrong credential."""
    for path in ROUTES:
        for verb in VERBS:
            for who, headers in STRANGERS.items():
                yield Attempt(
                    "authentication",
                    f"{verb} {path} with {who}",
                    sent(verb, at(path, target), headers),
                    rule_of(verb),
                )
    for path in PUBLIC:
        for verb in VERBS:
            if verb not in ("GET", "HEAD"):
                yield Attempt(
                    "authentication", f"{verb} {path}", sent(verb, at(path, target), ()), rule_of(verb)
                )


def authorization(target: Target) -> Iterator[Attempt]:
    """People who are known, and do what they may not."""
    for name, token in (("nobody", NOBODY), ("reader", READER)):
        who: Headers = (("Authorization", f"Bearer {token}"),)
        for path in ROUTES:
            for verb in ("GET", "POST", "PUT", "DELETE"):
                reads = name == "reader" and (
                    verb == "GET" or path.endswith("/trust")
                )  # what a reader may do is not attacked here
                if reads:
                    continue
                yield Attempt(
                    "authorization", f"{name}: {verb} {path}", sent(verb, at(path, target), who), refused
                )
    bob: Headers = (("Authorization", f"Bearer {BOB}"),)

    def hidden(outcome: Outcome) -> str | None:
        return "sees a token of ann's" if target.token_id.encode() in outcome.answer else None

    yield Attempt(
        "authorization",
        "bob lists tokens",
        request("GET", at("pcw/api/tokens", target), bob),
        lambda outcome: hidden(outcome) or answered(200)(outcome),
    )
    yield Attempt(
        "authorization",
        "bob revokes ann's token",
        request("DELETE", at("pcw/api/tokens/TOKEN-ID", target), bob),
        answered(404),
    )


JUPYTERS = (
    "api/contents",
    "api/contents/notes.txt",
    "api/kernels",
    "api/sessions",
    "api/terminals",
    "api/config/notebook",
    "api/kernelspecs",
    "api/status",
    "api/me",
    "api/shutdown",
    "files/notes.txt",
    "view/notes.txt",
    "nbconvert/html/notes.txt",
)


def scoped_tokens(target: Target) -> Iterator[Attempt]:
    """A token for one endpoint, for anything else; and what only resembles one."""
    who: Headers = (("Authorization", f"Bearer {target.scoped}"),)
    for path in (*ROUTES[2:], *JUPYTERS, "pcw/grpc/other/my.Service/Get", GRPC.replace("svc", "other")):
        for verb in ("GET", "POST", "PUT", "DELETE"):
            yield Attempt("scoped tokens", f"{verb} {path}", sent(verb, at(path, target), who), refused)
    for verb in VERBS:
        if verb not in ("POST", "OPTIONS"):
            yield Attempt("scoped tokens", f"{verb} {GRPC}", sent(verb, at(GRPC, target), who), refused)
    token = target.scoped
    changed = {
        f"letter {place}": token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        # the last letter of base64 carries bits that mean nothing
        for place in range(len(token) - 1)
    }
    changed |= {f"cut to {length}": token[:length] for length in range(0, len(token), 4)}
    changed |= {
        "longer": token + "A",
        "doubled": token + token,
        "large letters": token.upper(),
        "padded": token + "=",
        "null behind it": token + "\x00",
        "very long": token + "A" * 30_000,
        "revoked": target.revoked,
        "the id of one, the secret of another": token[:20] + target.revoked[20:],
    }
    for name, text in changed.items():
        headers: Headers = (("Authorization", f"Bearer {text}"),)
        yield Attempt("scoped tokens", name, sent("POST", at(GRPC, target), headers), refused)
    for scheme in ("Basic", "Digest", "Negotiate", "", "Bearer Bearer", "Bearer,"):
        headers = (("Authorization", f"{scheme} {token}"),)
        yield Attempt("scoped tokens", f"scheme {scheme!r}", sent("POST", at(GRPC, target), headers), refused)
    for name in ("token", "access_token", "Authorization", "bearer"):
        path = f"{at(GRPC, target)}?{name}={token}"
        yield Attempt("scoped tokens", f"in the query as {name}", sent("POST", path, ()), refused)


def origins(target: Target) -> Iterator[Attempt]:
    """Pages of other origins, with all that a browser or a thief would send."""
    own = f"127.0.0.1:{target.port}"
    tricks = (
        "https://evil.example", "null", "", "https://127.0.0.2", f"http://127.0.0.1:{target.port + 1}",
        f"http://{own}.evil.example", f"http://evil.example/{own}", f"http://{own}@evil.example",
        f"http://evil.example#{own}", f"http://evil.example?{own}", f"https://evil.example:{target.port}",
        f"http://localhost:{target.port}", f"http://0x7f000001:{target.port}", "file://", "data:",
        "chrome-extension://abc", "https://pages.example.evil.example", "https://evilpages.example",
        "http://pages.example", "https://pages.example:444", "https://pages.example/",
        "HTTPS://PAGES.EXAMPLE",
        "https://pages.example, https://evil.example", "https://pages.example https://evil.example",
        "https://sub.pages.example", "https://pages.example\\.evil.example", "http://[::1", "http://", "*",
        "https://pages.example\t", "https://pages.exampl\u0435".encode().decode("latin-1"),
    )  # fmt: skip
    credentials: dict[str, Headers] = {
        "a cookie": (*COOKIES, ("X-XSRFToken", XSRF)),
        "a token": (("Authorization", f"Bearer {ANN}"),),
        "a token for one endpoint": (("Authorization", f"Bearer {target.scoped}"),),
    }
    for origin in tricks:
        headers: Headers = (("Origin", origin),)
        # white space around a value is no part of it (RFC 9110 section 5.5)
        same = origin.strip() == ALLOWED_ORIGIN
        for name, who in credentials.items():
            if same and name != "a cookie":
                continue
            yield Attempt(
                "origins", f"{origin!r} calls with {name}", sent("POST", at(GRPC, target), (*headers, *who))
            )
        asks: Headers = (
            *headers,
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization, content-type"),
        )
        if not same:
            for path in (GRPC, "pcw/api/tokens", "pcw/api/sites/victim", "pcw/sites/victim/data.txt"):
                yield Attempt(
                    "origins",
                    f"{origin!r} asks to call {path}",
                    sent("OPTIONS", at(path, target), asks),
                    preflight_allows_nothing,
                )
        for verb, path in (
            ("POST", "pcw/api/tokens"),
            ("PUT", "pcw/api/sites/x"),
            ("DELETE", "pcw/api/sites/victim"),
        ):
            yield Attempt(
                "origins",
                f"{origin!r}: {verb} {path} with a cookie",
                sent(verb, at(path, target), (*headers, *credentials["a cookie"])),
            )
    two: Headers = (("Origin", ALLOWED_ORIGIN), ("Origin", "https://evil.example"))
    for name, who in credentials.items():
        yield Attempt("origins", f"two origins with {name}", sent("POST", at(GRPC, target), (*two, *who)))


def xsrf(target: Target) -> Iterator[Attempt]:
    """A login cookie without the value that only a page of the server can read."""
    forged: dict[str, Headers] = {
        "no value": COOKIES,
        "a wrong one": (*COOKIES, ("X-XSRFToken", XSRF.replace("b", "c"))),
        "an empty one": (*COOKIES, ("X-XSRFToken", "")),
        "half of it": (*COOKIES, ("X-XSRFToken", XSRF[: len(XSRF) // 2])),
        "more than it": (*COOKIES, ("X-XSRFToken", XSRF.replace("b|", "bb|"))),
        "version 1": (*COOKIES, ("X-XSRFToken", XSRF.replace("2|", "1|", 1))),
        "two values": (*COOKIES, ("X-XSRFToken", "x"), ("X-XSRFToken", "y")),
        "a null": (*COOKIES, ("X-XSRFToken", "\x00")),
        "no cookie of it": (("Cookie", f"login={COOKIE}"), ("X-XSRFToken", XSRF)),
        "an empty cookie of it": (("Cookie", f"login={COOKIE}; _xsrf="), ("X-XSRFToken", "")),
        "a token that is wrong": (*COOKIES, ("Authorization", "Bearer guess")),
        "Sec-Fetch-Site of its own": (*COOKIES, ("Sec-Fetch-Site", "same-origin")),
        "a referrer of its own": (*COOKIES, ("Referer", f"http://127.0.0.1:{target.port}{BASE}lab")),
        "X-Requested-With": (*COOKIES, ("X-Requested-With", "XMLHttpRequest")),
        "another verb in a header": (*COOKIES, ("X-HTTP-Method-Override", "GET")),
        "another type": (*COOKIES, ("Content-Type", "text/plain")),
    }  # fmt: skip
    routes = (
        ("POST", GRPC),
        ("POST", "pcw/api/tokens"),
        ("DELETE", "pcw/api/tokens/TOKEN-ID"),
        ("PUT", "pcw/api/sites/x"),
        ("POST", "pcw/api/sites/x"),
        ("DELETE", "pcw/api/sites/victim"),
        ("POST", "pcw/api/sites/victim/trust"),
        ("DELETE", "pcw/api/sites/victim/trust"),
    )
    for verb, path in routes:
        for name, headers in forged.items():
            yield Attempt("XSRF", f"{verb} {path}: {name}", sent(verb, at(path, target), headers))


def hosts(target: Target) -> Iterator[Attempt]:
    """Names that lead here by somebody else's name server."""
    names = (
        "evil.example", f"evil.example:{target.port}", "127.0.0.1.evil.example", "localhost.evil.example",
        "evil.example.", "0.0.0.0", "10.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]", "[fe80::1]",
        "127.0.0.1@evil.example", "evil.example#127.0.0.1", "evil.example/127.0.0.1",
        "evil.example?localhost",
        "evil.example, 127.0.0.1", "xn--localhost-x", "127.0.0.1evil.example", "*", "2130706433.evil.example",
    )  # fmt: skip
    routes = (
        ("POST", GRPC),
        ("GET", "pcw/api/endpoints"),
        ("POST", "pcw/api/tokens"),
        ("PUT", "pcw/api/sites/x"),
        ("GET", "pcw/sites/victim/data.txt"),
        ("GET", "pcw/guests/victim/"),
    )
    who: Headers = (("Authorization", f"Bearer {ANN}"),)
    for host in names:
        for verb, path in routes:
            yield Attempt("hosts", f"{verb} {path} of {host}", sent(verb, at(path, target), who, host=host))
        scoped: Headers = (("Authorization", f"Bearer {target.scoped}"),)
        yield Attempt(
            "hosts", f"a token for one endpoint at {host}", sent("POST", at(GRPC, target), scoped, host=host)
        )
