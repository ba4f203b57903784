"""Libraries as commands read them: opened, and closed afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ops.errors import StateError

if TYPE_CHECKING:
    from index.library import Library


@contextmanager
def opened(state: Path) -> Iterator[Library]:
    """The library of a state directory, closed afterwards.

    Raises:
        StateError: it is no state directory.
    """
    from index.library import open_library

    library = open_library(state)
    try:
        yield library
    finally:
        library.close()


@contextmanager
def opened_parts(state: Path) -> Iterator[dict[int, Library]]:
    """Those parts of a library in parts that are on this machine, by number, closed afterwards.

    Raises:
        StateError: none is.
    """
    from index.layout import parts_here

    with ExitStack() as stack:
        found = {part: stack.enter_context(opened(folder)) for part, folder in parts_here(state).items()}
        if not found:
            raise StateError(f"{state} is a library in parts, of which none is on this machine; ask where they are")
        yield found
