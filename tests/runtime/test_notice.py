"""NOTICE names everything that the wheel redistributes, as pinned."""

from __future__ import annotations

from client.runtime import notice, pins
from client.runtime.build import ROOT


def test_notice_is_what_the_pins_say() -> None:
    written = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert written == notice.text(pins.load()), "Write it again: python -m client.runtime.notice"


def test_notice_names_every_source_with_version_licence_and_address() -> None:
    written = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for source in pins.load().redistributed:
        assert (
            f"{source.name} {source.version}\n    licence  {source.licence}\n    source   {source.source}\n"
            in written
        )


def test_notice_names_the_pyspark_of_embedded_sail() -> None:
    recipe = (ROOT / "pcw_server_ext" / "engines" / "build_sail_site.py").read_text(encoding="utf-8")
    assert 'VERSION = "4.2.0"' in recipe
    assert "pyspark-client 4.2.0" in notice.text(pins.load())
