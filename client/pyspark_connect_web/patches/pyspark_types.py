"""What the client uses of PySpark's objects, so that the use is checked: PySpark's own types do not have it.

`table.PATCHES` has a row for each name that is not public.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, Protocol

__all__ = ["ChannelBuilder", "ConnectClient", "ListenerBus", "RetryAttempts"]


class ChannelBuilder(Protocol):
    """``ChannelBuilder``: what a connection string says."""

    def metadata(self) -> Iterable[tuple[str, str]]:
        """The headers of every call."""


class RetryAttempts(Protocol):
    """``Retrying``: the attempts of one call."""

    _done: bool


class _Deadlines(Protocol):
    @property
    def reattachable_execute_plan(self) -> float | None: ...
    @property
    def reattach_execute(self) -> float | None: ...


class _Settings(Protocol):
    @property
    def pairs(self) -> Sequence[tuple[str, str | None]]: ...


class _Analysis(Protocol):
    @property
    def spark_version(self) -> str | None: ...


class ConnectClient(Protocol):
    """``SparkConnectClient``: the calls of one session."""

    _builder: ChannelBuilder
    _channel: Any
    _stub: Any
    _rpc_deadlines: _Deadlines
    _server_session_id: str | None
    _session_hooks: list[Any]
    _progress_handlers: list[Callable[..., None]]

    def _retrying(self) -> RetryAttempts:
        """New attempts, after the session's policies."""

    def _execute_plan_request_with_metadata(self) -> Any:
        """An empty request for a query."""

    def _set_command_in_plan(self, plan: Any, command: Any) -> None:
        """Put a command into a request's plan."""

    def _verify_response_integrity(self, response: Any) -> None:
        """Raise when a response is another session's."""

    def _handle_error(self, error: Exception) -> NoReturn:
        """Raise PySpark's own exception of a call's error."""

    def _analyze(self, method: str, **options: Any) -> _Analysis:
        """Ask the server, here for its version."""

    def _interrupt_request(self, interrupt_type: str, id_or_tag: str | None = None) -> Any:
        """The request that ends a query."""

    def config(self, operation: Any) -> _Settings:
        """Read or write settings."""

    def set_retry_policies(self, policies: Iterable[Any]) -> None:
        """Try as often as these say."""

    def register_progress_handler(self, handler: Callable[..., None]) -> None:
        """Call a handler with the progress of every query."""


class _Session(Protocol):
    @property
    def client(self) -> ConnectClient: ...


class _StreamingQueries(Protocol):
    _session: _Session


class ListenerBus(Protocol):
    """``StreamingQueryListenerBus``: the listeners of a session."""

    _sqm: _StreamingQueries
