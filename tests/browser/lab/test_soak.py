"""No start of a browser kernel is lost. `make soak` asks for 200 of them, PCW_SOAK_STARTS=5 with `pytest` for a few."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.soak import PATIENCE, soak

STARTS = int(os.environ.get("PCW_SOAK_STARTS", "5"))


@pytest.mark.browser
@pytest.mark.soak
@pytest.mark.nightly
@pytest.mark.timeout(STARTS * (PATIENCE + 60) + 60)
def test_no_start_is_lost_in_fresh_pages_with_a_busy_core(
    browser: Browser, venv: Path, screenshots: Path
) -> None:
    result = soak(browser, venv, STARTS)
    (screenshots / "soak.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    assert result["starts"] == STARTS
    assert result["lost"] == 0, json.dumps(result["lost_starts"], indent=2)
