"""The `_headers` file: one parser, applied as Netlify or as Cloudflare Pages applies it.

Both hosts read the same lines: a path pattern, then indented `Name: value` lines. They differ in what they
do with them, and a file that isolates on one may not isolate on the other:

|                                        | Netlify                  | Cloudflare Pages                       |
|----------------------------------------|--------------------------|----------------------------------------|
| `*`                                    | anything, any number     | anything, once a pattern               |
| letter case, final `/`                 | ignored                  | significant                            |
| the same header in two rules           | the later rule wins      | values joined: `a, a`                  |
| `https://host/path` patterns           | not understood           | matched by host, any scheme            |
| `! Name`                               | not understood           | removes the header                     |
| limits                                 |                          | 100 rules, 2000 characters a line      |

Sources: docs.netlify.com/routing/headers and Netlify's public header parser;
developers.cloudflare.com/pages/configuration/headers and Cloudflare's public Pages asset server.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pcw_server_ext.site.path_patterns import Kind, Literal, Pattern, Wildcard

MAX_RULES = 100
MAX_LINE = 2000

#: RFC 9110, 5.6.2 and 5.5.
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

#: Set by the hosts themselves; a rule for one of them is ignored.
_RESERVED = frozenset(
    {"accept-ranges", "age", "allow", "alt-svc", "connection", "content-encoding", "content-length"}
    | {"content-range", "date", "server", "trailer", "transfer-encoding", "upgrade"}
)


class Dialect(enum.Enum):
    """Whose reading of `_headers` is meant."""

    NETLIFY = "netlify"
    CLOUDFLARE = "cloudflare"


@dataclass(frozen=True)
class Problem:
    """A line that a host will not take as it was meant; `line` counts from 1."""

    line: int
    message: str


@dataclass
class Rule:
    """One block: a path pattern and what is set and removed where it matches."""

    pattern: str
    line: int
    set: list[tuple[str, str]] = field(default_factory=list)
    unset: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class HeaderRules:
    """A parsed `_headers` file."""

    rules: tuple[Rule, ...] = ()
    problems: tuple[Problem, ...] = ()

    def apply(
        self, dialect: Dialect, path: str, headers: Iterable[tuple[str, str]], host: str = ""
    ) -> dict[str, str]:
        """Return the response headers for `path`.

        Args:
            dialect: whose rules apply.
            path: the request's path, percent-decoded, starting with `/`, without a query.
            headers: what the host would send by itself; rules override these.
            host: the request's host name, for Cloudflare's `https://` patterns.

        Returns:
            Header names in lower case with their values.
        """
        result = {name.lower(): value for name, value in headers}
        if dialect is Dialect.NETLIFY:
            for rule in self.rules:
                if _netlify_pattern(rule.pattern).match(path.lower()) is not None:
                    result.update(_joined(rule.set))
            return result
        ours: set[str] = set()
        for rule in self.rules[:MAX_RULES]:
            match = _cloudflare_match(rule.pattern, path, host)
            if match is None:
                continue
            for name in rule.unset:
                result.pop(name.lower(), None)
                ours.discard(name.lower())
            for name, value in _joined(rule.set).items():
                for placeholder, captured in match.items():
                    # A path may hold a line's end; a header must not.
                    value = value.replace(f":{placeholder}", _CONTROL.sub("", captured))
                result[name] = f"{result[name]}, {value}" if name in ours else value
                ours.add(name)
        return result

    def problems_for(self, dialect: Dialect) -> list[Problem]:
        """Return what `dialect`'s host would ignore or misread, sorted by line."""
        found = list(self.problems)
        for rule in self.rules:
            absolute = not rule.pattern.startswith("/")
            if dialect is Dialect.NETLIFY:
                if absolute:
                    found.append(
                        Problem(rule.line, "Netlify knows no https:// patterns: write the path alone")
                    )
                found += [
                    Problem(rule.line, f"Netlify cannot remove a header: '! {name}'") for name in rule.unset
                ]
            else:
                if rule.pattern.count("*") > 1:
                    found.append(Problem(rule.line, "Cloudflare allows one * a pattern: split the rule"))
                if absolute and _port(rule.pattern):
                    found.append(Problem(rule.line, "Cloudflare allows no port in a pattern: leave it out"))
        if dialect is Dialect.CLOUDFLARE and len(self.rules) > MAX_RULES:
            found.append(
                Problem(
                    self.rules[MAX_RULES].line, f"Cloudflare reads {MAX_RULES} rules: this one is ignored"
                )
            )
        return sorted(found, key=lambda problem: problem.line)


def parse(text: str) -> HeaderRules:
    """Read the text of a `_headers` file; lines that no host takes become problems, they never raise."""
    rules: list[Rule] = []
    problems: list[Problem] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if len(line) > MAX_LINE:
            problems.append(Problem(number, f"longer than {MAX_LINE} characters: Cloudflare ignores it"))
        elif line.startswith("/") or re.match(r"https?://", line):
            rules.append(Rule(line, number))
        elif not rules:
            problems.append(Problem(number, "no path before this line: put a path such as /* above it"))
        elif line.startswith("! "):
            rules[-1].unset.append(line[2:].strip())
        else:
            name, colon, value = (part.strip() for part in line.partition(":"))
            if not colon or not value or not _FIELD_NAME.fullmatch(name):
                problems.append(Problem(number, "neither a path nor 'Name: value'"))
            elif _CONTROL.search(value):
                problems.append(Problem(number, "the value holds a control character: remove it"))
            elif name.lower() in _RESERVED:
                problems.append(Problem(number, f"{name} is set by the host itself; this line has no effect"))
            else:
                rules[-1].set.append((name, value))
    return HeaderRules(tuple(rules), tuple(problems))


def render(rules: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    """Write rules as a `_headers` file: `[(pattern, [(name, value), ...]), ...]`."""
    blocks = [
        f"{pattern}\n" + "".join(f"  {name}: {value}\n" for name, value in headers)
        for pattern, headers in rules
    ]
    return "\n".join(blocks)


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    result: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        result[key] = f"{result[key]}, {value}" if key in result else value
    return result


def _netlify_pattern(pattern: str) -> Pattern:
    tokens: list[Literal | Wildcard] = []
    for part in (piece.rstrip() for piece in pattern.split("/")):
        if not part:
            continue
        if part.startswith(":"):
            tokens += [Literal("/"), Wildcard("segment")]
        elif part == "*":
            # A segment of its own may be missing altogether, with its slash.
            tokens.append(Wildcard("rest"))
        else:
            tokens.append(Literal("/"))
            for number, piece in enumerate(part.split("*")):
                tokens += [Wildcard("any")] if number else []
                tokens += [Literal(piece.lower())] if piece else []
    return Pattern((*tokens, Wildcard("slash")))


def _cloudflare_match(pattern: str, path: str, host: str) -> dict[str, str] | None:
    """Return what the placeholders stand for; None where the rule does not apply."""
    if pattern.count("*") > 1:
        return None
    subject = path
    if not pattern.startswith("/"):
        try:
            split = urlsplit(pattern)
        except ValueError:
            # A bracket that begins no address.
            return None
        if split.scheme != "https" or _port(pattern):
            return None
        # Cloudflare takes any scheme for https://, and no port at all: only host and path are compared.
        pattern, subject = f"//{split.netloc}{split.path}", f"//{host}{path}"
    tokens: list[Literal | Wildcard] = []
    names: set[str] = set()
    position = 0
    path_begins = pattern.index("/", 2) if pattern.startswith("//") and "/" in pattern[2:] else 0
    for found in re.finditer(r"\*|:[A-Za-z]\w*", pattern):
        name = "splat" if found.group() == "*" else found.group()[1:]
        if name in names:
            # A placeholder used twice: Cloudflare drops such a rule as well.
            return None
        names.add(name)
        segment: Kind = "segment" if found.start() >= path_begins else "label"
        tokens.append(Literal(pattern[position : found.start()]))
        tokens.append(Wildcard("any" if name == "splat" and found.group() == "*" else segment, name))
        position = found.end()
    return Pattern((*tokens, Literal(pattern[position:]))).match(subject)


def _port(pattern: str) -> bool:
    return re.match(r"https?://[^/]*:\d", pattern) is not None
