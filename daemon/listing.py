"""Pages of short, append-only lists that the library hands out whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from index.paging import decode_cursor, paginate
from index.summaries import Page
from ops.errors import ConfigError

T = TypeVar("T")


def page_of(items: Sequence[T], after: str | None, limit: int) -> Page[T]:
    """One page of a list whose items keep their places.

    Raises:
        ConfigError: a bad cursor or limit.
    """
    start = decode_cursor(after, 1)[0] if after else 0
    if start < 0:
        raise ConfigError(f"bad cursor {after!r}; hand back the 'next' of a page as it was given")
    numbered = list(enumerate(items[start:], start + 1))
    page = paginate(numbered, limit, lambda entry: (entry[0],))
    return Page([item for _, item in page.items], page.next)
