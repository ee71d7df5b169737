"""Browser kernels on a real JupyterHub: users, servers that end, logins that end."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.support.hub import Hub, HubPage
from tests.support.plans import base_pb2
from tests.support.recording_upstream import RecordingUpstream

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

Person = Callable[[str], HubPage]

LONG_QUERY = 'spark.sql("select count(*) from range(0, 6000000000, 1, 1) where id % 7 = 8").collect()'
"""Half a minute and more of one core, in small steps: the engine answers others while it goes on without a client."""
SOON = 60.0
"""Seconds within which a cell says that its server, or its login, has gone."""
WAY_BACK = "run the cell again: this notebook keeps its variables"


def test_login_leads_to_a_query_under_the_name_of_the_user(person: Person) -> None:
    ada = person("ada")
    ada.new_notebook()
    assert ada.run("print(spark.range(3).count())").expect_ok().text == "3\n"
    assert ada.run("print(spark.sql('select current_user()').first()[0])").expect_ok().text == "ada\n"


def test_shared_spark_is_told_the_hubs_user_whatever_the_notebook_says(
    person: Person, recorder: RecordingUpstream
) -> None:
    # the recorder answers nothing that PySpark takes for an answer
    pretend = """
from pyspark.sql import SparkSession
try:
    SparkSession.builder.remote("%s/;user_id=mallory;session_id=%s").create().range(3).collect()
except Exception as error:
    print(type(error).__name__)
"""
    sessions = {
        "ada": "11111111-1111-4111-8111-111111111111",
        "grace": "22222222-2222-4222-8222-222222222222",
    }
    for name, session in sessions.items():
        page = person(name)
        page.new_notebook()
        page.run(pretend % (f"{page.hub.url}user/{name}/pcw/grpc/recorder", session)).expect_ok()
    seen: dict[str, set[str]] = {}
    for call in recorder.received:
        for message in call.messages:
            kind = call.path.rpartition("/")[2]
            request = getattr(base_pb2, f"{kind}Request").FromString(message)
            seen.setdefault(request.session_id, set()).add(request.user_context.user_id)
    assert {name: seen[session] for name, session in sessions.items()} == {"ada": {"ada"}, "grace": {"grace"}}


@pytest.mark.alone
def test_query_of_a_server_that_is_stopped_ends_and_the_notebook_goes_on_with_the_next_server(
    person: Person, hub: Hub
) -> None:
    ada = person("ada")
    ada.new_notebook()
    ada.run("kept = spark.range(3).count()").expect_ok()
    running = ada.submit(LONG_QUERY)
    hub.stop_server("ada")
    error = ada.result(running, SOON).error
    assert error is not None
    assert WAY_BACK in error
    assert "XSRF" not in error
    # JupyterLab asks, now and again, whether to restart the server, which here the hub does
    question = ada.page.locator(".jp-Dialog button", has_text="Dismiss")
    ada.page.add_locator_handler(question, lambda button: button.click())
    begin = time.monotonic()
    error = ada.run("spark.range(3).collect()").error
    assert error is not None
    assert WAY_BACK in error
    assert time.monotonic() - begin < SOON
    hub.start_server("ada")
    # the new server takes the hub's login when it is visited, and not before
    ada.log_in(ada.context.new_page())
    assert ada.run("print(kept + spark.range(3).count())").expect_ok().text == "6\n"


@pytest.mark.alone
def test_login_that_ends_is_said_and_the_next_login_is_enough(person: Person) -> None:
    ada = person("ada")
    ada.new_notebook()
    ada.run("kept = spark.range(3).count()").expect_ok()
    other = ada.context.new_page()
    other.goto(f"{ada.hub.url}hub/logout")
    begin = time.monotonic()
    error = ada.run("spark.range(3).collect()").error
    assert error is not None
    assert WAY_BACK in error
    assert "XSRF" not in error
    assert time.monotonic() - begin < SOON
    ada.log_in(other)
    assert ada.run("print(kept + spark.range(3).count())").expect_ok().text == "6\n"


def test_login_that_ends_while_a_query_runs_ends_the_query(person: Person) -> None:
    ada = person("ada")
    ada.new_notebook()
    ada.run("spark.range(3).count()").expect_ok()
    running = ada.submit(LONG_QUERY)
    other = ada.context.new_page()
    other.goto(f"{ada.hub.url}hub/logout")
    error = ada.result(running, 60).error
    assert error is not None
    assert WAY_BACK in error
