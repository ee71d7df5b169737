"""What a person may choose about a site."""

from __future__ import annotations

import pytest

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site.settings import SiteSettings


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [("jupyter", "same-origin"), ("envoy", "same-origin"), ("static", "ask"), ("github-pages", "ask")],
)
def test_endpoint_is_what_the_host_suggests(host: str, endpoint: str) -> None:
    assert SiteSettings(host=host).checked().endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://user:SECRET@host/",
        "https://host/;token=SECRET",
        "https://host/?token=SECRET",
        "https://host/?a=b",
        "https://host/#x",
        "sc://host:15002",
        "host:8080",
        "https://",
        "https://host:999999/",
        "javascript:alert(1)",
    ],
)
def test_endpoint_with_a_secret_or_without_an_address_is_refused(endpoint: str) -> None:
    with pytest.raises(SiteRefused) as raised:
        SiteSettings(endpoint=endpoint).checked()
    assert "SECRET" not in str(raised.value)


def test_isolation_off_needs_the_other_channel() -> None:
    with pytest.raises(SiteRefused, match="--channel xhr"):
        SiteSettings(isolation="off").checked()
    assert SiteSettings(isolation="off", channel="xhr").checked().isolation == "off"


@pytest.mark.parametrize("name", ["host", "profile", "channel", "isolation"])
def test_unknown_choice_names_the_known_ones(name: str) -> None:
    with pytest.raises(SiteRefused, match="Choose one of"):
        SiteSettings(**{name: "nonsense"}).checked()
