"""Something done now and then beside the work at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def every(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Calls ``act`` in a thread of its own, so many seconds apart, for as long as the context lasts."""
    done = Event()

    def repeat() -> None:
        while not done.wait(seconds):
            act()

    thread = Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
