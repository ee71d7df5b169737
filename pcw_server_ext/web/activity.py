"""When the server last did something for a browser kernel: what cullers of idle servers go by.

Jupyter knows of the kernels that it runs itself, and of requests to its own API. Kernels in browsers, and their
calls to Spark, would look to it as if nobody were there. `GET {base_url}api/status`, JupyterHub and
`ServerApp.shutdown_no_activity_timeout` read what is noted here.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from datetime import datetime, timezone
from typing import Final

from tornado import web

from pcw_server_ext.web.handlers import AUTH_RESOURCE, JsonErrors, may

NAME: Final = "pcw_server_ext"
"""The key in Jupyter's settings."""
INTERVAL: Final = 5.0
"""Seconds between two notes while something runs; the cullers' times are minutes."""


class Activity:
    """Keeps a time in `times`, which are Jupyter's `settings["last_activity_times"]`.

    `began` and `ended` come in pairs; between them the time moves on by itself.
    """

    def __init__(self, times: MutableMapping[str, datetime]) -> None:
        self._times = times
        self._running = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def running(self) -> int:
        """How much runs now."""
        return self._running

    def note(self) -> None:
        """Something was done."""
        self._times[NAME] = datetime.now(timezone.utc)

    def began(self) -> None:
        """Something runs from now on."""
        self._running += 1
        self.note()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._go_on)

    def ended(self) -> None:
        """It has ended."""
        self._running -= 1
        self.note()

    def _go_on(self) -> None:
        self._timer = None
        if self._running:
            self.note()
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._go_on)


class ActivityHandler(JsonErrors):
    """`POST {base_url}pcw/api/activity`: a page tells that a kernel of its own is at work."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, activity: Activity) -> None:
        """Called by Tornado with the handler's arguments."""
        self._activity = activity

    @web.authenticated
    @may("execute")
    async def post(self) -> None:
        """Note it; there is nothing to answer."""
        self._activity.note()
        self.set_status(204)
        self.finish()

    def wants_log_line(self) -> bool:
        """Only when it was refused: it comes twice a minute."""
        return self.get_status() >= 400
