"""What can go wrong with a site, below the package's one exception tree.

PcwError
└── SiteError           a site cannot be built, served, staged or checked; the text says what to do
    ├── SiteNotFound    there is no such site, or no such file in it
    └── SiteRefused     a name, a path or a setting that must not be used
"""

from __future__ import annotations

from pcw_server_ext.errors import PcwError


class SiteError(PcwError):
    """A site cannot be built, served, staged or checked."""


class SiteNotFound(SiteError):
    """There is no such site, or no such file in it."""


class SiteRefused(SiteError):
    """A name, a path or a setting that must not be used; the message says which and why."""
