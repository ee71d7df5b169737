"""The scripts in the head of a site's pages."""

from __future__ import annotations

import pytest

from pcw_server_ext.site import pages
from pcw_server_ext.site.hosts import HOSTS

PAGE = """<!DOCTYPE html>
<html><HEAD lang="en">
<title>x</title>
<script id="jupyter-config-data" type="application/json" data-jupyter-lite-root="../..">{}</script>
<script>import('../../config-utils.js')</script>
</HEAD><body></body></html>
"""


@pytest.mark.parametrize("host", list(HOSTS))
def test_scripts_come_first_and_in_order(host: str) -> None:
    text = pages.with_scripts(PAGE, HOSTS[host], channel="sab", version="0.8.6")
    found = pages.scripts_of(text)
    wanted = ["../../pcw-site.js", "../../pcw_kernel_bridge.js"]
    assert found == (["../../coi-serviceworker.js"] if HOSTS[host].worker_isolates else []) + wanted
    head = text.index("<HEAD")
    assert text.index("<script", head) == text.index("<script src=")
    assert text.index("pcw_kernel_bridge.js") < text.index("jupyter-config-data")
    # Deferred or asynchronous scripts would run after JupyterLite has read Worker.
    assert "defer" not in text
    assert "async" not in text
    assert 'type="module"' not in text


def test_applying_it_again_changes_nothing_and_another_host_replaces_it() -> None:
    once = pages.with_scripts(PAGE, HOSTS["static"], channel="sab", version="0.8.6")
    assert pages.with_scripts(once, HOSTS["static"], channel="sab", version="0.8.6") == once
    other = pages.with_scripts(once, HOSTS["nginx"], channel="sab", version="0.8.6")
    assert other == pages.with_scripts(PAGE, HOSTS["nginx"], channel="sab", version="0.8.6")


def test_site_that_chose_requests_is_not_reloaded_for_isolation() -> None:
    text = pages.with_scripts(PAGE, HOSTS["static"], channel="xhr", version="0.8.6")
    assert pages.scripts_of(text) == ["../../pcw-site.js", "../../pcw_kernel_bridge.js"]
    assert 'data-channel="xhr"' in text


def test_page_that_is_not_jupyterlites_has_no_root() -> None:
    assert pages.lite_root("<html><head></head></html>") is None
    assert pages.lite_root(PAGE) == "../.."
