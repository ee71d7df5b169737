"""The Chromium of the tests, as it was started."""

from __future__ import annotations

import psutil
import pytest
from playwright.sync_api import Browser

from tests.support.lab_page import FEATURES_OFF

pytestmark = pytest.mark.browser

_SWITCH = "--disable-features="


def test_what_playwright_switches_off_is_off_here_too(browser: Browser) -> None:
    """Playwright's version decides what it switches off, and our own switch replaces it."""
    assert browser.is_connected()
    found = {}
    for process in psutil.Process().children(recursive=True):
        try:
            switches = [word for word in process.cmdline() if word.startswith(_SWITCH)]
        except psutil.NoSuchProcess:
            # It ended meanwhile, and its command line with it; a process that nobody has waited for counts, too.
            continue
        if len(switches) > 1:
            found[process.pid] = [set(switch.removeprefix(_SWITCH).split(",")) for switch in switches]
    assert found
    # Other tests of this process may have a browser of their own.
    for playwrights, ours in found.values():
        assert ours == set(FEATURES_OFF)
        assert playwrights - ours == set(), "add them to FEATURES_OFF in tests/support/lab_page.py"


def test_window_loads_no_page_of_the_address_bar(browser: Browser) -> None:
    session = browser.new_browser_cdp_session()
    context = browser.new_context()
    try:
        context.new_page().goto("data:text/html,<title>here</title>")
        targets = session.send("Target.getTargets", {"filter": [{}]})["targetInfos"]
    finally:
        context.close()
        session.detach()
    addresses = [target["url"] for target in targets]
    assert any(address.startswith("data:text/html") for address in addresses)
    assert [address for address in addresses if "omnibox" in address] == []
