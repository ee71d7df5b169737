"""`_headers` as Netlify and as Cloudflare Pages read it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcw_server_ext.site import header_rules
from pcw_server_ext.site.header_rules import Dialect

NETLIFY, CLOUDFLARE = Dialect.NETLIFY, Dialect.CLOUDFLARE


def applied(text: str, dialect: Dialect, path: str, host: str = "") -> dict[str, str]:
    return header_rules.parse(text).apply(dialect, path, [], host)


@pytest.mark.parametrize(
    ("pattern", "path", "netlify", "cloudflare"),
    [
        ("/*", "/", True, True),
        ("/*", "/lab/index.html", True, True),
        ("/lab/*", "/lab/", True, True),
        ("/lab/*", "/lab", True, False),
        ("/lab/*", "/laboratory", False, False),
        ("/lab", "/lab/", True, False),
        ("/lab", "/LAB", True, False),
        ("/*.wasm", "/a/b.wasm", True, True),
        ("/a.b", "/axb", False, False),
        ("/build/:file", "/build/x.js", True, True),
        ("/build/:file", "/build/x/y.js", False, False),
        ("/*/x/*", "/a/x/b", True, False),
        ("/a*c", "/abbc", True, True),
        ("https://site.example/*", "/x", False, True),
        ("https://*.example/*", "/x", False, False),
        ("https://:sub.example/x", "/x", False, True),
        ("https://site.example:8080/*", "/x", False, False),
        ("http://site.example/*", "/x", False, False),
        ("https://[site.example/*", "/x", False, False),
    ],
)
def test_pattern_matches_as_on_the_host(pattern: str, path: str, netlify: bool, cloudflare: bool) -> None:
    text = f"{pattern}\n  X-Found: yes\n"
    assert ("x-found" in applied(text, NETLIFY, path, "site.example")) is netlify
    assert ("x-found" in applied(text, CLOUDFLARE, path, "site.example")) is cloudflare


def test_same_header_in_two_rules_is_replaced_by_one_host_and_joined_by_the_other() -> None:
    name = "cross-origin-embedder-policy"
    text = f"/*\n  {name}: credentialless\n/lab/*\n  {name}: require-corp\n"
    assert applied(text, NETLIFY, "/lab/")[name] == "require-corp"
    assert applied(text, CLOUDFLARE, "/lab/")[name] == "credentialless, require-corp"


def test_same_header_twice_in_a_rule_is_joined_by_both() -> None:
    text = "/*\n  Link: a\n  link: b\n"
    assert applied(text, NETLIFY, "/") == {"link": "a, b"}
    assert applied(text, CLOUDFLARE, "/") == {"link": "a, b"}


def test_rule_overrides_what_the_host_sends_by_itself() -> None:
    rules = header_rules.parse("/*\n  Cache-Control: no-store\n")
    sent = [("Cache-Control", "public"), ("X-Host", "1")]
    for dialect in Dialect:
        assert rules.apply(dialect, "/", sent) == {"cache-control": "no-store", "x-host": "1"}


def test_cloudflare_removes_a_header_and_may_set_it_again() -> None:
    text = "/*\n  X-A: 1\n/b/*\n  ! X-A\n/b/c\n  X-A: 2\n"
    assert applied(text, CLOUDFLARE, "/b/d") == {}
    assert applied(text, CLOUDFLARE, "/b/c") == {"x-a": "2"}


def test_cloudflare_puts_what_matched_into_values() -> None:
    assert applied("/m/:id\n  X-Id: :id\n/m/*\n  X-Rest: :splat\n", CLOUDFLARE, "/m/7") == {
        "x-id": "7",
        "x-rest": "7",
    }


def test_problem_names_its_line_and_the_remedy() -> None:
    rules = header_rules.parse(
        "X-Early: 1\n/*\n  nonsense\n  Content-Length: 3\n  ! X-Gone\nhttps://a:80/*\n  X: y\n"
    )
    assert [problem.line for problem in rules.problems] == [1, 3, 4]
    assert "path such as /*" in rules.problems[0].message
    netlify = {problem.line: problem.message for problem in rules.problems_for(NETLIFY)}
    assert "cannot remove" in netlify[2]
    assert "path alone" in netlify[6]
    cloudflare = {problem.line: problem.message for problem in rules.problems_for(CLOUDFLARE)}
    assert "no port" in cloudflare[6]


def test_cloudflare_ignores_rules_beyond_its_limit_and_it_is_said() -> None:
    text = "".join(f"/{number}\n  X: y\n" for number in range(101))
    rules = header_rules.parse(text)
    assert applied(text, CLOUDFLARE, "/99") == {"x": "y"}
    assert applied(text, CLOUDFLARE, "/100") == {}
    assert rules.problems_for(CLOUDFLARE)[0].line == 201
    assert applied(text, NETLIFY, "/100") == {"x": "y"}


def test_rendered_rules_are_read_back() -> None:
    written = [("/*", [("A", "1"), ("B", "x: y")]), ("/r/*", [("C", "2")])]
    read = header_rules.parse(header_rules.render(written))
    assert [(rule.pattern, rule.set) for rule in read.rules] == written
    assert not read.problems


@given(st.text(), st.text())
def test_no_text_and_no_path_breaks_the_reader(text: str, path: str) -> None:
    rules = header_rules.parse(text)
    for dialect in Dialect:
        rules.apply(dialect, f"/{path}", [], "host")
        rules.problems_for(dialect)
