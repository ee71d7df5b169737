"""The pinned sources of the browser runtime, as `pins.json` lists them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client.runtime.errors import PinError

PINS_FILE = Path(__file__).with_name("pins.json")


@dataclass(frozen=True)
class Source:
    """One file published under a name and version, identified by its SHA-256."""

    name: str
    version: str
    file: str
    sha256: str
    licence: str
    source: str


@dataclass(frozen=True)
class Wheel(Source):
    """A pure Python wheel that the kernel gets.

    `keep` and `drop` are shell patterns over the wheel's paths; a wheel that has any is rebuilt with only those files.
    `pack` names the pack of its files; those that match `extra` go to a pack of their own, as few kernels read them.
    """

    pack: str
    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sdist(Wheel):
    """A source distribution whose Python files become a wheel without running its build."""

    depends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Core(Source):
    """The npm package of Pyodide's core and the members that are served."""

    python: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class WheelHolder(Source):
    """A package of the index that carries wheels of its own."""

    wheels: tuple[Wheel, ...]


@dataclass(frozen=True)
class Pins:
    """Everything that `pins.json` pins."""

    pyodide: Core
    wheels: tuple[Wheel, ...]
    bundled: WheelHolder
    sdists: tuple[Sdist, ...]
    path: Path = field(default=PINS_FILE, compare=False)

    @property
    def packages(self) -> tuple[Wheel, ...]:
        """Every package that a kernel can import, sorted by name."""
        return tuple(sorted((*self.wheels, *self.bundled.wheels, *self.sdists), key=lambda wheel: wheel.name))

    @property
    def redistributed(self) -> tuple[Source, ...]:
        """Everything of others that a bundle holds, Pyodide first."""
        return (self.pyodide, *self.packages)


def load(path: Path = PINS_FILE) -> Pins:
    """Read `pins.json`.

    Raises:
        PinError: it is not valid JSON, or an entry lacks a field or repeats a name.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        pins = Pins(
            pyodide=Core(**_tuples(raw["pyodide"])),
            wheels=tuple(Wheel(**_tuples(entry)) for entry in raw["wheels"]),
            bundled=WheelHolder(
                **{
                    **raw["bundled"],
                    "wheels": tuple(Wheel(**_tuples(entry)) for entry in raw["bundled"]["wheels"]),
                }
            ),
            sdists=tuple(Sdist(**_tuples(entry)) for entry in raw["sdists"]),
            path=path,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise PinError(
            f"{path} cannot be read as pins: {error}. Compare it with its last committed version."
        ) from error
    names = [source.name for source in pins.redistributed]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise PinError(f"{path} pins more than once: {', '.join(repeated)}. Keep one entry a name.")
    return pins


def _tuples(entry: dict[str, Any]) -> dict[str, Any]:
    """JSON arrays as tuples, so that pins are hashable and cannot be changed by accident."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
