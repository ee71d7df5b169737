"""How PySpark's client is changed: where calls go, how long it tries, and what Stop does.

- `DefaultChannelBuilder` understands our connection strings and then builds a `GrpcWebChannel`.
- `SparkConnectClient` gets a retry policy that gives up within seconds when the server is gone: a person
  sits in front of a cell. Who passes a policy keeps it.
- What Stop sends to Spark (`interrupt_operation` while a KeyboardInterrupt is handled) is not waited for
  longer than `INTERRUPT_PATIENCE`: the cell is to end at once, also when the server is busy or gone.
- Without threads (a browser kernel) releases go through `InlineExecutor`, the events of streaming queries are looked
  for while others wait and while the kernel is idle (`listeners`), and a pause between retries can be interrupted.

Every change delegates to the original for connection strings that are not ours, and is made once. `table` lists all
places of PySpark that are changed, here and elsewhere.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from pyspark_connect_web import wire
from pyspark_connect_web.connection import Target, is_ours, parse_target
from pyspark_connect_web.errors import ConnectionStringError
from pyspark_connect_web.page import current_page
from pyspark_connect_web.patches.apply import replace
from pyspark_connect_web.patches.listeners import patch_listeners
from pyspark_connect_web.patches.pyspark_types import ConnectClient
from pyspark_connect_web.rpc.background import InlineExecutor

__all__ = ["RETRY_POLICY", "on_client", "patch_pyspark", "threads_available"]

RETRY_POLICY = {"max_retries": 4, "max_backoff": 2000}
"""DefaultPolicy of PySpark with four retries, after 0.05, 0.2, 0.8 and 2 to 2.5 seconds.

PySpark's own fifteen take ten minutes, in which a cell looks as if it hung. The first query of a session
makes two calls that are retried, a setting and the query: with four retries each, both give up within ten
seconds.
"""

INTERRUPT_PATIENCE = 0.3
"""Seconds that Stop waits for Spark to confirm an Interrupt; it is on its way before."""

_CORE = "pyspark.sql.connect.client.core"
_TARGET = "_pcw_target"
_INTERRUPT = "/spark.connect.SparkConnectService/Interrupt"


_on_client: list[Callable[[ConnectClient], None]] = []


def on_client(callback: Callable[[ConnectClient], None]) -> None:
    """Call ``callback(client)`` with every ``SparkConnectClient`` that is made from now on."""
    _on_client.append(callback)


def threads_available() -> bool:
    """False in a browser kernel, where starting a thread raises RuntimeError."""
    return sys.platform != "emscripten"


def patch_pyspark(*, threads: bool | None = None) -> None:
    """Make PySpark's Spark Connect client speak grpc-web for the connection strings that ask for it.

    Idempotent. PySpark is imported; stand-ins for its dependencies must be in place before.

    Args:
        threads: False sends releases, and reads the events of listeners, without threads; by default found out.
    """
    core: Any = importlib.import_module(_CORE)
    _patch_builder(core)
    _patch_client(core)
    if not (threads_available() if threads is None else threads):
        _patch_releases()
        patch_listeners()
    if not threads_available():
        _patch_pause()


def _has_grpc(core: Any) -> bool:
    """True with the real grpcio, which alone can serve a plain ``sc://`` address."""
    return hasattr(core.grpc, "insecure_channel") and not getattr(core.grpc, "__pcw_lean__", False)


def _patch_builder(core: Any) -> None:
    def init(original: Callable[..., None]) -> Callable[..., None]:
        def __init__(self: Any, url: str, channelOptions: Any = None) -> None:
            if not is_ours(url) and (_has_grpc(core) or not url.startswith("sc://")):
                original(self, url, channelOptions)
                return
            target = _target(url)
            core.ChannelBuilder.__init__(self, channelOptions, dict(target.params))
            setattr(self, _TARGET, target)
            self._host = target.host

        return __init__

    def to_channel(original: Callable[..., Any]) -> Callable[..., Any]:
        def toChannel(self: Any) -> Any:
            target = getattr(self, _TARGET, None)
            if target is None:
                return original(self)
            # Imported late: it takes its base classes from the grpc that PySpark sees.
            from pyspark_connect_web.rpc.stub import GrpcWebChannel

            channel: Any = GrpcWebChannel(target)
            if self._interceptors:
                channel = core.grpc.intercept_channel(channel, *self._interceptors)
            return channel

        return toChannel

    def endpoint(original: Callable[..., str]) -> Callable[..., str]:
        def endpoint(self: Any) -> str:
            target: Target | None = getattr(self, _TARGET, None)
            return original(self) if target is None else target.base

        return endpoint

    replace(f"{_CORE}:DefaultChannelBuilder.__init__", init)
    replace(f"{_CORE}:DefaultChannelBuilder.toChannel", to_channel)
    replace(f"{_CORE}:DefaultChannelBuilder.endpoint", endpoint)


def _target(url: str) -> Target:
    try:
        return parse_target(url, current_page())
    except ConnectionStringError as error:
        from pyspark.errors import PySparkValueError

        raise PySparkValueError(
            errorClass="INVALID_CONNECT_URL", messageParameters={"detail": str(error)}
        ) from None


def _patch_client(core: Any) -> None:
    def init(original: Callable[..., None]) -> Callable[..., None]:
        def __init__(self: ConnectClient, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            given = kwargs.get("retry_policy") or len(args) > 3
            if not given and getattr(self._builder, _TARGET, None) is not None:
                self.set_retry_policies([core.DefaultPolicy(**_retry_policy())])
            for callback in _on_client:
                callback(self)

        return __init__

    def interrupt_operation(original: Callable[..., Any]) -> Callable[..., Any]:
        def interrupt_operation(self: ConnectClient, op_id: str) -> Any:
            background = getattr(self._channel, "background", None)
            if background is None or not isinstance(sys.exc_info()[1], KeyboardInterrupt):
                return original(self, op_id)
            payload = self._interrupt_request("operation", op_id).SerializeToString()
            parts = (wire.frame_header(len(payload)), payload)
            background.send_patiently(_INTERRUPT, parts, self._builder.metadata(), INTERRUPT_PATIENCE)
            return []

        return interrupt_operation

    replace(f"{_CORE}:SparkConnectClient.__init__", init)
    replace(f"{_CORE}:SparkConnectClient.interrupt_operation", interrupt_operation)


def _retry_policy() -> dict[str, int]:
    policy = dict(RETRY_POLICY)
    text = os.environ.get("PCW_MAX_RETRIES", "")
    if text.isdecimal():
        policy["max_retries"] = int(text)
    return policy


def _patch_releases() -> None:
    executor = InlineExecutor()

    def pool(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self: executor

    replace(
        "pyspark.sql.connect.client.reattach:ExecutePlanResponseReattachableIterator._release_thread_pool",
        pool,
    )


def _patch_pause() -> None:
    def init(original: Callable[..., None]) -> Callable[..., None]:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            if len(args) < 2:
                kwargs.setdefault("sleep", interruptible_sleep)
            original(self, *args, **kwargs)

        return __init__

    replace("pyspark.sql.connect.client.retries:Retrying.__init__", init)


def interruptible_sleep(seconds: float) -> None:
    """Sleep in slices: Emscripten's own sleep does not look for an interrupt before its end."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.05))
