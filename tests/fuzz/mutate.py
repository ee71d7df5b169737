"""What the targets have in common: random pieces, and damage to what was valid."""

from __future__ import annotations

from random import Random

_INTERESTING = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\r\n", b":", b"=", b"%")


def blob(random: Random, limit: int = 64) -> bytes:
    """Random bytes, mostly short."""
    return random.randbytes(min(int(random.expovariate(1 / 12)), limit))


def damage(random: Random, data: bytes) -> bytes:
    """``data`` after up to four changes: bits flipped, pieces cut out, doubled, moved, or put in."""
    out = bytearray(data)
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        at = random.randrange(len(out) + 1)
        stop = min(len(out), at + int(random.expovariate(1 / 6)))
        kind = random.randrange(6)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << random.randrange(8)
        elif kind == 1:
            del out[at:stop]
        elif kind == 2:
            out[at:at] = out[at:stop]
        elif kind == 3:
            out[at:at] = blob(random, 16)
        elif kind == 4:
            out[at:at] = random.choice(_INTERESTING)
        else:
            del out[at:]
    return bytes(out)


def cut(random: Random, data: bytes) -> list[bytes]:
    """``data`` in pieces: of one byte, of one size, or of random sizes; of larger ones when there is much of it."""
    kind = random.randrange(3)
    least = len(data) // 500
    if kind == 0:
        size = random.choice((1, 1, 2, 3, 9, 16)) + least
        return [data[at : at + size] for at in range(0, len(data), size)]
    pieces = []
    while data:
        size = 1 + int(random.expovariate(1 / (40 + least)))
        pieces.append(data[:size])
        data = data[size:]
    return pieces
