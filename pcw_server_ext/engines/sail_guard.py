"""Let only this user's processes connect to Sail.

Sail listens on a loopback TCP port, which every account of the machine can connect to, and asks for no credential.
It cannot be given a unix socket or a listener either. What it does for every connection, though, is to call
`accept4`, and a shared library calls that through its import table. `install` puts a function of ours there: it takes
the connection, asks the kernel which user's socket is at the other end, and hands on to Sail what is this user's own.
Others' connections are closed before Sail sees a byte of them.

The kernel lists the owner of each TCP socket in `/proc/net/tcp` (proc(5)); the other end of a loopback connection is
such a socket. Nobody but root can change a socket's owner.

This runs inside Sail's process, before anything of ours can be imported: standard library only.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys

_ESTABLISHED = "01"
_ROOT_MAPS_ALL = ["0", "0", "4294967295"]

# elf(5), and the psABI documents of the two processors that have wheels of Sail for Linux
_PT_DYNAMIC = 2
_DT_STRTAB, _DT_SYMTAB, _DT_RELA, _DT_RELASZ, _DT_PLTRELSZ, _DT_JMPREL = 5, 6, 7, 8, 2, 23
_DT_RELACOUNT = 0x6FFFFFF9
_RELA_SIZE, _SYMBOL_SIZE = 24, 24
_SLOT_TYPES = {"x86_64": (6, 7), "aarch64": (1025, 1026)}
_PROT_READ, _PROT_WRITE = 1, 2


class GuardError(Exception):
    """The guard cannot be put in place; the message says why."""


def impossible() -> str | None:
    """Why other users' connections cannot be told apart here; None when they can.

    Cheap, and used by the Jupyter server too, before it starts Sail.
    """
    if sys.platform != "linux":
        return "only Linux tells which user a connection comes from"
    if os.uname().machine not in _SLOT_TYPES:
        return f"not known for {os.uname().machine} processors"
    try:
        if not _listed(socket.AF_INET):
            return "/proc/net/tcp cannot be read as expected"
        nobody = int(_read("/proc/sys/kernel/overflowuid"))
        everyone = _read("/proc/self/uid_map").split() == _ROOT_MAPS_ALL
    except (OSError, ValueError):
        return "/proc is not there as expected"
    if os.geteuid() == nobody and not everyone:
        # users of other namespaces are listed under this number too
        return f"this server runs as user {nobody}, which stands for every unknown user in this container"
    return None


def install(library: str) -> PeerFilter:
    """Have the loaded shared library whose name ends with `library` take connections of this user only.

    Raises GuardError.
    """
    reason = impossible()
    if reason is not None:
        raise GuardError(reason)
    try:
        peers = PeerFilter()
    except MemoryError:
        raise GuardError("this system forbids code that is made at run time, which a callback is") from None
    slots = _import_slots(library, b"accept4")
    if not slots:
        raise GuardError(f"{library} does not take its connections with accept4")
    for slot in slots:
        _write_slot(slot, peers.address)
    return peers


class PeerFilter:
    """`accept4` that closes connections of other users and goes on with the next one.

    `seen` counts the connections that were let in, `refused` the others.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.refused = 0
        self._uid = os.geteuid()
        libc = ctypes.CDLL(None, use_errno=True)
        self._accept = libc.accept4
        self._accept.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
        prototype = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, use_errno=True
        )
        # kept as long as the process: the library calls it by address
        self._callback = prototype(self._accept4)

    @property
    def address(self) -> int:
        """Where the function is in memory."""
        address = ctypes.cast(self._callback, ctypes.c_void_p).value
        if address is None:
            raise AssertionError("a callback has an address")
        return address

    def _accept4(self, listener: int, name: int | None, length: int | None, flags: int) -> int:
        size = ctypes.c_uint32.from_address(length).value if length else 0
        while True:
            accepted: int = self._accept(listener, name, length, flags)
            if accepted < 0:
                return accepted
            try:
                own = owner_of_peer(accepted) == self._uid
            except (OSError, ValueError):
                own = False
            if own:
                self.seen += 1
                return accepted
            self.refused += 1
            os.close(accepted)
            if length:
                ctypes.c_uint32.from_address(length).value = size


def owner_of_peer(descriptor: int) -> int | None:
    """The user id of the process at the other end of a loopback connection; None when there is none (any more)."""
    with socket.socket(fileno=os.dup(descriptor)) as accepted:
        return owner_of(accepted.getpeername()[:2], accepted.getsockname()[:2])


def owner_of(theirs: tuple[str, int], ours: tuple[str, int]) -> int | None:
    """The user id of the process whose end of a loopback connection is `theirs`; None when there is none."""
    for family in (socket.AF_INET, socket.AF_INET6):
        wanted = _hexadecimal(theirs, family), _hexadecimal(ours, family)
        for local, remote, state, uid in _listed(family):
            if (local, remote) == wanted:
                return int(uid) if state == _ESTABLISHED else None
    return None


def _hexadecimal(address: tuple[str, int], family: socket.AddressFamily) -> str:
    """An IPv4 address as `/proc/net/tcp` writes it: words of four bytes in the processor's order."""
    packed = socket.inet_aton(address[0])
    if family == socket.AF_INET6:
        packed = b"\0" * 10 + b"\xff\xff" + packed
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words) + f":{address[1]:04X}"


def _listed(family: socket.AddressFamily) -> list[tuple[str, str, str, str]]:
    """Local address, remote address, state and user of every TCP socket."""
    path = "/proc/net/tcp" if family == socket.AF_INET else "/proc/net/tcp6"
    try:
        with open(path, encoding="ascii") as table:
            next(table)
            rows = [line.split(maxsplit=8) for line in table]
    except FileNotFoundError:
        if family == socket.AF_INET6:
            # the kernel was started without IPv6
            return []
        raise
    return [(row[1], row[2], row[3], row[7]) for row in rows]


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()


class _Header(ctypes.Structure):
    """`Elf64_Phdr`."""

    _fields_ = [
        ("type", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("offset", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
        ("physical", ctypes.c_uint64),
        ("file_size", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("align", ctypes.c_uint64),
    ]


class _Loaded(ctypes.Structure):
    """The part of `dl_phdr_info` that every system has."""

    _fields_ = [
        ("base", ctypes.c_uint64),
        ("name", ctypes.c_char_p),
        ("headers", ctypes.POINTER(_Header)),
        ("count", ctypes.c_uint16),
    ]


def _import_slots(library: str, symbol: bytes) -> list[int]:
    """Addresses of the import table's entries for `symbol` in a loaded library."""
    found: list[tuple[int, int]] = []

    def look(loaded: ctypes._Pointer[_Loaded], _size: int, _data: int | None) -> int:
        entry = loaded.contents
        if os.fsdecode(entry.name or b"").endswith(library):
            for header in entry.headers[: entry.count]:
                if header.type == _PT_DYNAMIC:
                    found.append((entry.base, entry.base + header.address))
        return 0

    prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Loaded), ctypes.c_size_t, ctypes.c_void_p)
    ctypes.CDLL(None).dl_iterate_phdr(prototype(look), None)
    if not found:
        raise GuardError(f"{library} is not loaded")
    base, dynamic = found[0]
    tags = _dynamic(dynamic)

    def at(tag: int) -> int:
        # glibc has made these absolute, musl leaves them as they are in the file
        return tags[tag] if tags[tag] >= base else base + tags[tag]

    ranges = []
    if _DT_RELA in tags:
        skipped = tags.get(_DT_RELACOUNT, 0) * _RELA_SIZE
        ranges.append((at(_DT_RELA) + skipped, tags[_DT_RELASZ] - skipped))
    if _DT_JMPREL in tags:
        ranges.append((at(_DT_JMPREL), tags[_DT_PLTRELSZ]))
    slots = []
    for start, size in ranges:
        for place in range(start, start + size, _RELA_SIZE):
            offset, info = (ctypes.c_uint64.from_address(place + part).value for part in (0, 8))
            if info & 0xFFFFFFFF in _SLOT_TYPES[os.uname().machine]:
                name = ctypes.c_uint32.from_address(at(_DT_SYMTAB) + (info >> 32) * _SYMBOL_SIZE).value
                if ctypes.string_at(at(_DT_STRTAB) + name) == symbol:
                    slots.append(base + offset)
    return slots


def _dynamic(address: int) -> dict[int, int]:
    tags: dict[int, int] = {}
    while True:
        tag, value = (ctypes.c_uint64.from_address(address + part).value for part in (0, 8))
        if tag == 0:
            return tags
        tags[tag] = value
        address += 16


def _write_slot(slot: int, function: int) -> None:
    """Replace an entry of an import table, whose page the loader has made read-only."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    page = os.sysconf("SC_PAGE_SIZE")
    start = slot - slot % page
    if libc.mprotect(start, page, _PROT_READ | _PROT_WRITE) != 0:
        raise GuardError(f"its import table cannot be written ({os.strerror(ctypes.get_errno())})")
    ctypes.c_uint64.from_address(slot).value = function
    if libc.mprotect(start, page, _PROT_READ) != 0:
        raise GuardError(f"its import table cannot be protected ({os.strerror(ctypes.get_errno())})")
