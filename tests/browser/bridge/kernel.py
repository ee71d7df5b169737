"""A page with one kernel, driven from a test."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import BrowserContext, Page

PRELUDE = """
import hashlib, json, time
from pyspark_connect_web.channel.sab import SabSyncChannel

channel = SabSyncChannel()

def post(path, parts=(b"",), headers=(), timeout=None):
    return channel.call(path, list(headers), list(parts), timeout)

def body_of(call):
    pieces = []
    while piece := call.read():
        pieces.append(piece)
    return b"".join(pieces)

def digest_of(call):
    digest, count = hashlib.sha256(), 0
    while piece := call.read():
        digest.update(piece)
        count += len(piece)
    return digest.hexdigest(), count
"""


class KernelError(Exception):
    """Python code in the kernel raised; `type` is the exception's class name."""

    def __init__(self, type_: str, message: str) -> None:
        super().__init__(message)
        self.type = type_


class KernelPage:
    """`window.kernel` of a page, made anew by `start`."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.started = False

    @classmethod
    def open(cls, context: BrowserContext, url: str) -> KernelPage:
        """Open a page in a new tab and wait for its scripts."""
        page = context.new_page()
        page.goto(url)
        page.wait_for_function("window.loaded === true")
        return cls(page)

    def tidy(self) -> None:
        """Cancel what runs; start the kernel if it was not, or if it does not answer any more."""
        if self.started:
            self.begin("channel.close(); 'tidy'")
            answer = self.page.evaluate(
                """() => Promise.race([
                  window.pending, new Promise((resolve) => setTimeout(resolve, 60000, { value: "stuck" }))
                ])"""
            )
            if answer.get("value") == "tidy":
                return
            self.page.reload()
            self.page.wait_for_function("window.loaded === true")
        self.start()

    def make(self, bridge: dict[str, Any] | None = None) -> None:
        self.page.evaluate("(options) => { window.kernel = makeKernel(options) }", bridge or {})

    def start(self, options: dict[str, Any] | None = None, bridge: dict[str, Any] | None = None) -> None:
        """Make a kernel, define the prelude; `options` go to the channel, `bridge` to the page's bridge."""
        self.make(bridge)
        self._value(self.page.evaluate("(options) => kernel.start(options)", options or {}))
        self.run(PRELUDE)
        self.started = True

    def run(self, code: str) -> Any:
        """Run Python in the kernel.

        Returns:
            the value of the last expression

        Raises:
            KernelError: the code raised
        """
        return self._value(self.page.evaluate("(code) => kernel.ask('run', {code})", code))

    def begin(self, code: str) -> None:
        """Run Python without waiting; `finish` waits."""
        self.page.evaluate("(code) => { window.pending = kernel.ask('run', {code}) }", code)

    def finish(self) -> Any:
        """The value of what `begin` began."""
        return self._value(self.page.evaluate("() => window.pending"))

    @staticmethod
    def _value(answer: dict[str, Any]) -> Any:
        if answer.get("error") is not None:
            raise KernelError(answer.get("type") or "", answer["error"])
        return answer.get("value")
