"""The browser's tab is closed while Spark works: the query ends within the grace time."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.lab.engine import ENDLESS, Engine
from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import lab_page
from tests.support.labs import SPARK_GRACE

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


def test_spark_is_idle_within_the_grace_time_after_the_tab_was_closed(
    browser: Browser, spark_lab: JupyterProcess
) -> None:
    with lab_page(browser, spark_lab) as lab:
        lab.open().new_notebook()
        lab.run("spark.range(3).count()", 200).expect_ok()
        engine = Engine(spark_lab)
        lab.submit(f"{ENDLESS}.groupBy('a').count().collect()")
        engine.await_load(busy=True)
        lab.page.close()
        assert engine.load(SPARK_GRACE / 3) > 0.2, "Spark stops by itself: nothing is shown by this test"
        # the task that runs looks a little later whether it was ended
        engine.await_load(busy=False, seconds=SPARK_GRACE + 60)
