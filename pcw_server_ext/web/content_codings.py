"""Content codings (RFC 9110 section 8.4.1): their names, and how a file's name ends that is stored in one."""

from __future__ import annotations

from typing import Final

BROTLI: Final = "br"
GZIP: Final = "gzip"
IDENTITY: Final = "identity"

#: What a compressed file's name ends with beside the plain one's, the smallest form first.
SUFFIXES: Final = {BROTLI: ".br", GZIP: ".gz"}
