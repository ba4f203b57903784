"""Opaque cursors: a page's end, told to a client who hands it back for the next one."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

from index.summaries import Page
from ops.errors import ConfigError

T = TypeVar("T")
MAX_LIMIT = 1000


def encode_cursor(*position: int | str) -> str:
    """The opaque form of a position."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, parts: int) -> tuple[int, ...]:
    """The position behind a cursor.

    Raises:
        ConfigError: the cursor was not made by `encode_cursor` with that many numbers.
    """
    position = _decoded(cursor)
    if len(position) != parts or not all(type(p) is int and abs(p) < 2**63 for p in position):
        raise _bad(cursor)
    return tuple(position)


def decode_name(cursor: str) -> str:
    """The name behind a cursor made of one.

    Raises:
        ConfigError: the cursor was not made so.
    """
    position = _decoded(cursor)
    if len(position) != 1 or not isinstance(position[0], str):
        raise _bad(cursor)
    return position[0]


def _decoded(cursor: str) -> list[Any]:
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _bad(cursor) from error
    if not isinstance(position, list):
        raise _bad(cursor)
    return position


def _bad(cursor: str) -> ConfigError:
    return ConfigError(f"bad cursor {cursor!r}; hand back the 'next' of a page as it was given")


def check_limit(limit: int) -> None:
    """Refuses pages that are too small or too large.

    Raises:
        ConfigError: the limit is out of range.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise ConfigError(f"limit must be 1 to {MAX_LIMIT}, not {limit}")


def paginate(items: Iterable[T], limit: int, position: Callable[[T], tuple[int | str, ...]]) -> Page[T]:
    """Takes one page off an iterable that starts at its first item.

    Args:
        items: what follows the cursor, in order.
        limit: items a page, 1 to `MAX_LIMIT`.
        position: of an item, from which its cursor is made.

    Raises:
        ConfigError: the limit is out of range.
    """
    check_limit(limit)
    taken = list(islice(items, limit + 1))
    page = taken[:limit]
    return Page(page, encode_cursor(*position(page[-1])) if len(taken) > limit else None)
