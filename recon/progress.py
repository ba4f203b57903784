"""How a reconstruction tells its caller where it is, and how the caller stops it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of a running reconstruction.

    Attributes:
        stage: snake_case name of the stage.
        fraction: of the whole reconstruction that is done, in [0, 1].
    """

    stage: str
    fraction: float


ProgressCallback = Callable[[Progress], None]
"""Called several times a second; an exception it raises ends the reconstruction and reaches the caller."""


class Reporter:
    """Turns fractions of stages into the fraction of the whole."""

    def __init__(self, callback: ProgressCallback | None, start: float = 0.0, stop: float = 1.0) -> None:
        self._callback = callback
        self._start, self._stop = start, stop

    def part(self, start: float, stop: float) -> Reporter:
        """A reporter of a part of the work, whose own whole is ``start`` to ``stop`` of this one's."""
        return Reporter(self._callback, self._of_all(start), self._of_all(stop))

    def _of_all(self, fraction: float) -> float:
        return self._start + (self._stop - self._start) * fraction

    def span(self, stage: str, start: float, stop: float) -> Callable[[float], None]:
        """A tick function for a stage that covers ``start`` to ``stop`` of the whole."""

        def tick(fraction: float) -> None:
            if self._callback is not None:
                self._callback(Progress(stage, self._of_all(start + (stop - start) * fraction)))

        tick(0.0)
        return tick


def portion(tick: Callable[[float], None], start: float, stop: float) -> Callable[[float], None]:
    """A tick function for a part that covers ``start`` to ``stop`` of what ``tick`` is told of."""
    return lambda fraction: tick(start + (stop - start) * fraction)
