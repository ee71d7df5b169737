"""How long browsers and caches keep what never changes under its name."""

from __future__ import annotations

from typing import Final

#: For everybody's caches.
IMMUTABLE: Final = "public, max-age=31536000, immutable"
#: For the browser's own: an answer to a request with a token may set a cookie.
PRIVATE_IMMUTABLE: Final = "private, max-age=31536000, immutable"
