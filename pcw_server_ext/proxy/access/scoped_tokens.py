"""Short-lived tokens that open one endpoint and nothing else, for pages that must not carry Jupyter's own.

A token is ``pcw_<id>_<secret>``. On disk is one file a token, named by the id, with a hash of the secret: making and
revoking are one rename and one unlink, so that servers which share the folder agree without locks, on network file
systems too. The secret has 256 random bits, which is why one round of SHA-256 suffices.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from pcw_server_ext.errors import TokenError

PREFIX: Final = "pcw_"
_FORMAT: Final = 1
_MOST: Final = 1000
_ID = re.compile(r"[0-9a-f]{16}")
_TOKEN = re.compile(r"pcw_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_AUTHORIZATION = re.compile(r"(?:token|bearer)\s+(pcw_\S*)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class ScopedToken:
    """What is kept of a token. Times are in seconds since 1970.

    ``user`` is how the identity provider writes its user down, ``username`` that user's name.
    """

    id: str
    endpoint: str
    base_url: str
    username: str
    user: Mapping[str, Any] = field(repr=False)
    created: float
    expires: float
    note: str
    hash: str = field(repr=False)
    format: int = _FORMAT


def scoped_token(authorization: str) -> str | None:
    """The scoped token in an ``Authorization`` header; None when it holds another credential, or none."""
    found = _AUTHORIZATION.fullmatch(authorization)
    return found[1] if found is not None else None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


class ScopedTokens:
    """The tokens of the server at ``base_url``, in ``folder``; ``clock`` tells seconds since 1970."""

    def __init__(
        self, folder: Path, base_url: str, *, max_ttl: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._base_url = base_url
        self.max_ttl = max_ttl
        self._clock = clock

    def mint(
        self, endpoint: str, username: str, user: Mapping[str, Any], *, ttl: int, note: str = ""
    ) -> tuple[ScopedToken, str]:
        """A new token for ``ttl`` seconds: what is kept, and the token itself, which is told only now.

        Raises TokenError when ``ttl`` is too long, or there are too many tokens.
        """
        if self.max_ttl <= 0:
            raise TokenError("Tokens for one endpoint are switched off (PcwExtension.scoped_token_max_ttl).")
        if not 0 < ttl <= self.max_ttl:
            raise TokenError(
                f"A token may live from 1 to {self.max_ttl} seconds (PcwExtension.scoped_token_max_ttl)."
            )
        if len(self.list()) >= _MOST:
            raise TokenError(f"There are {_MOST} tokens already: revoke some (jupyter pcw token --list).")
        secret = secrets.token_urlsafe(32)
        now = self._clock()
        kept = ScopedToken(
            id=secrets.token_hex(8),
            endpoint=endpoint,
            base_url=self._base_url,
            username=username,
            user=user,
            created=now,
            expires=now + ttl,
            note=note,
            hash=_hash(secret),
        )
        self._write(kept)
        return kept, f"{PREFIX}{kept.id}_{secret}"

    def _write(self, token: ScopedToken) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._folder / f".{token.id}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(token), file)
        fresh.rename(self._path(token.id))

    def _path(self, token_id: str) -> Path:
        return self._folder / f"{token_id}.json"

    def _read(self, token_id: str) -> ScopedToken | None:
        try:
            kept = ScopedToken(**json.loads(self._path(token_id).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            # gone, or not of this version: such a token opens nothing
            return None
        return kept if kept.format == _FORMAT and kept.id == token_id else None

    def find(self, token: str) -> ScopedToken | None:
        """What the token stands for; None when it is unknown, revoked, expired or of another server."""
        parts = _TOKEN.fullmatch(token)
        kept = self._read(parts[1]) if parts is not None else None
        if parts is None or kept is None or not hmac.compare_digest(kept.hash, _hash(parts[2])):
            return None
        if kept.base_url != self._base_url or kept.expires <= self._clock() or self.max_ttl <= 0:
            return None
        return kept

    def list(self) -> list[ScopedToken]:
        """The tokens of this server that are alive, the oldest first; forgets those that are not."""
        found = []
        for path in self._folder.glob("*.json"):
            kept = self._read(path.stem) if _ID.fullmatch(path.stem) else None
            if kept is None:
                continue
            if kept.expires <= self._clock():
                self._forget(kept.id)
            elif kept.base_url == self._base_url:
                found.append(kept)
        return sorted(found, key=lambda token: token.created)

    def get(self, token_id: str) -> ScopedToken | None:
        """The live token with this id."""
        return next((token for token in self.list() if token.id == token_id), None)

    def revoke(self, token_id: str) -> None:
        """End a token now."""
        if _ID.fullmatch(token_id):
            self._forget(token_id)

    def _forget(self, token_id: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path(token_id).unlink()
