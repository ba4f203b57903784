"""Opaque cursors: a page's end, told to a client who hands it back for the next one."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar

from index.summaries import Page
from ops.errors import ConfigError

T = TypeVar("T")
MAX_LIMIT = 1000


def encode_cursor(*position: int) -> str:
    """The opaque form of a position."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, parts: int) -> tuple[int, ...]:
    """The position behind a cursor.

    Raises:
        ConfigError: the cursor was not made by `encode_cursor` with that many parts.
    """
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f"bad cursor {cursor!r}; hand back the 'next' of a page as it was given") from error
    fits = isinstance(position, list) and len(position) == parts
    if not (fits and all(type(p) is int and abs(p) < 2**63 for p in position)):
        raise ConfigError(f"bad cursor {cursor!r}; hand back the 'next' of a page as it was given")
    return tuple(position)


def paginate(items: Iterable[T], limit: int, position: Callable[[T], tuple[int, ...]]) -> Page[T]:
    """Takes one page off an iterable that starts at its first item.

    Args:
        items: what follows the cursor, in order.
        limit: items a page, 1 to `MAX_LIMIT`.
        position: of an item, from which its cursor is made.

    Raises:
        ConfigError: the limit is out of range.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise ConfigError(f"limit must be 1 to {MAX_LIMIT}, not {limit}")
    taken = list(islice(items, limit + 1))
    page = taken[:limit]
    return Page(page, encode_cursor(*position(page[-1])) if len(taken) > limit else None)
