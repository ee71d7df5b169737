"""A notebook of the browser kernel, and the engine behind it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.parity import runs
from tests.support.lab_page import LabPage


@dataclass
class Notebook:
    """A notebook, and the engine behind it."""

    page: LabPage
    rig: runs.Rig
