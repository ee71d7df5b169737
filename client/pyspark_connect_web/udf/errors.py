"""What can go wrong while a function is prepared for another Python."""

from __future__ import annotations

import pickle


class SourceUnavailable(pickle.PicklingError):
    """A function cannot be sent to the server's Python: raised before anything is sent, it says why and what to do."""
