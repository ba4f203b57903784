"""Mutations of files: blind ones, and ones that mend checksums so that the damage gets past the first look."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Sequence

_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_BLOCK = 512
_PNG = b"\x89PNG\r\n\x1a\n"
_FIELDS = ((0, 100), (124, 12), (148, 8), (156, 1), (257, 8), (345, 155))
"""Place and length of fields of a tar header that matter here: name, size, checksum, type, magic, prefix."""
Mutation = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def mutate(dice: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A file with one to six mutations; the same dice give the same file.

    Args:
        dice: what decides.
        data: the whole file.
        others: whole files to splice parts from.
    """
    found = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 6))):
        if found:
            dice.choice(_MUTATIONS)(dice, found, others)
    return _with_chunk_sums(found) if found.startswith(_PNG) and dice.random() < 0.7 else bytes(found)


def _flip(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    for _flips in range(dice.choice((1, 2, 8, 64))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _number(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    value, width = dice.choice(_INTERESTING), dice.choice((1, 2, 4))
    raw = (value & (1 << 8 * width) - 1).to_bytes(width, dice.choice(("little", "big")))
    place = dice.randrange(len(data))
    data[place : place + width] = raw[: len(data) - place]


def _truncate(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[dice.randrange(len(data)) :]


def _cut(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    place = dice.randrange(len(data))
    del data[place : place + dice.choice((1, 4, 64, _BLOCK))]


def _repeat(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    place, length = dice.randrange(len(data)), dice.choice((1, 4, 64, _BLOCK))
    data[place:place] = data[place : place + length] * dice.choice((1, 2, 50))


def _noise(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    place, length = dice.randrange(len(data)), dice.choice((1, 4, 64, _BLOCK))
    data[place : place + length] = dice.randbytes(length)


def _splice(dice: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    other = dice.choice(others)
    start, place = dice.randrange(len(other)), dice.randrange(len(data))
    data[place : place + dice.choice((0, 16, _BLOCK))] = other[start : start + dice.choice((16, 256, 2048))]


def _header(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """A field of a tar header, with the header's checksum mended."""
    heads = [place for place in range(0, len(data) - _BLOCK + 1, _BLOCK) if data[place + 257 : place + 262] == b"ustar"]
    if not heads:
        return _flip(dice, data, ())
    head = dice.choice(heads)
    place, length = dice.choice(_FIELDS)
    values = (
        dice.randbytes(length), b"7" * length, b"\0" * length, b"\xff" * length, b"../" * length,
        dice.choice(b"0123456789xgLKSVDMNAX\0").to_bytes(1, "big"), b"%o\0" % dice.choice(_INTERESTING),
    )  # fmt: skip
    value = dice.choice(values)[:length]
    data[head + place : head + place + len(value)] = value
    data[head + 148 : head + 156] = b" " * 8
    data[head + 148 : head + 156] = b"%06o\0 " % (sum(data[head : head + _BLOCK]) & 0o777777)
    return None


_MUTATIONS: tuple[Mutation, ...] = (_flip, _number, _truncate, _cut, _repeat, _noise, _splice, _header, _header)


def _with_chunk_sums(data: bytearray) -> bytes:
    """A PNG whose chunks have the checksums that belong to them, as far as its lengths make sense."""
    place = len(_PNG)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(data)
