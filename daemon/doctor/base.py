"""What a check of the doctor says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what was looked at.
        level: a ``problem`` keeps the daemon from running, a ``warning`` may surprise.
        what: what was found.
        todo: what to do about it, empty if nothing.
    """

    check: str
    level: Level
    what: str
    todo: str = ""


Check = Callable[[], Iterable[Finding]]


def fine(check: str, what: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", what)


def size(count: float) -> str:
    """Bytes in GiB."""
    return f"{count / 2**30:.1f} GiB"
