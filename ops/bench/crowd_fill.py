"""Fills a library with a crowd, timing inserts where it is small and where it ends; goes on with one it has begun."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import nan
from pathlib import Path

import msgspec
import numpy as np

from index.records import OUTLIER
from ops.bench.crowd import BATCH, Crowd, IntArray
from ops.bench.crowd_writer import CrowdWriter
from ops.errors import StateError

SMALL = 10_000
"""Images at which an insert is measured first."""
WINDOW = 160
"""Batches over which an insert is measured."""
MORE = -(-1000 // BATCH)
"""Batches over which members are asked to keep their cluster."""
COARSE = 8 * BATCH
"""Images of a batch where none is measured."""
_TELL_S = 15.0
_MARK = "crowd.json"
Tell = Callable[[str], None]
Times = list[tuple[float, float]]
"""Seconds an image took, all and of processor time, batch by batch."""


@dataclass(frozen=True, slots=True)
class Filled:
    """Seconds an image took, batch by batch, around `SMALL` and at the end, all and of processor time; and the rest.

    ``kept_small`` and ``kept`` are the shares of members that stay in their cluster over `MORE` batches there. Of a
    library that was begun before, ``small`` is empty, and ``longest`` and ``seconds`` are of what was added.
    """

    small: list[float]
    full: list[float]
    small_busy: list[float]
    full_busy: list[float]
    longest: float
    seconds: float
    peak_mib: float
    kept_small: float
    kept: float
    facts: dict[str, str | int | float] = field(default_factory=dict)


def claim(folder: Path, crowd: dict[str, int]) -> None:
    """Marks a folder as one for a library of a crowd, or accepts one that was.

    Raises:
        StateError: it holds anything else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / _MARK
    if any(folder.iterdir()) and (not mark.is_file() or msgspec.json.decode(mark.read_bytes()) != crowd):
        raise StateError(f"{folder} holds something else than a crowd of {crowd}; name an empty folder, or none")
    mark.write_bytes(msgspec.json.encode(crowd))


def step(images: int, total: int) -> int:
    """Images of the next batch: few where inserts are measured, many elsewhere, so that filling takes less long."""
    half = WINDOW // 2 * BATCH
    windows = ((SMALL // BATCH * BATCH - half, SMALL // BATCH * BATCH + half), (total - WINDOW * BATCH, total))
    if any(begin <= images < end for begin, end in windows):
        return BATCH
    ahead = min(begin - images for begin, _ in windows if begin > images)
    return int(min(COARSE, max(BATCH, ahead // BATCH * BATCH)))


def fill(folder: Path, total: int, crowd: Crowd, tell: Tell) -> Filled:
    """Stores so many descriptors, less what the library holds already, and `MORE` batches."""
    writer = CrowdWriter(folder, crowd.dim)
    progress = _Progress(writer, total, tell)
    while writer.images < total or progress.short:
        progress.add(crowd)
    took = time.perf_counter() - progress.began
    facts = {**writer.facts, "anonymous memory at the end, MiB": round(memory_mib("RssAnon"))}
    peak = memory_mib("VmHWM")  # of writing, not of the looks at all members that follow
    before = writer.clusters()
    for _ in range(MORE):
        writer.add(crowd.batch(writer.images // BATCH))
    kept = kept_share(before, writer.clusters())
    writer.close()
    small, full = progress.small or (progress.full if progress.fresh else []), progress.full
    few, few_busy, many, many_busy = ([pair[i] for pair in times] for times in (small, full) for i in (0, 1))
    return Filled(few, many, few_busy, many_busy, progress.longest, took, peak, progress.kept_small, kept, facts)


class _Progress:
    """What is measured on the way."""

    def __init__(self, writer: CrowdWriter, total: int, tell: Tell) -> None:
        self._writer, self._total, self._tell = writer, total, tell
        self.small: Times = []
        self.full: Times = []
        self.longest, self.began, self.kept_small = 0.0, time.perf_counter(), nan
        self.fresh = not writer.images
        self._at_small: IntArray | None = None
        self._told, self._before = time.monotonic(), writer.images

    @property
    def short(self) -> bool:
        """Whether fewer batches than wanted were measured at the end."""
        return len(self.full) < min(WINDOW, -(-self._total // BATCH))

    def add(self, crowd: Crowd) -> None:
        """Adds a batch."""
        images, writer = self._writer.images, self._writer
        vectors = crowd.batch(images // BATCH, step(images, self._total) if images < self._total else BATCH)
        began, busy = time.perf_counter(), time.process_time()
        writer.add(vectors)
        wall = time.perf_counter() - began
        self.longest = max(self.longest, wall)
        if len(vectors) == BATCH:
            end = images >= self._total - WINDOW * BATCH
            (self.full if end else self.small).append((wall / BATCH, (time.process_time() - busy) / BATCH))
        self._look()
        if time.monotonic() - self._told > _TELL_S:
            rate = (writer.images - self._before) / (time.monotonic() - self._told)
            self._told, self._before = time.monotonic(), writer.images
            self._tell(f"{writer.images:,} of {self._total:,}: {1000 / rate:.2f} ms an image")

    def _look(self) -> None:
        if not self.fresh or not np.isnan(self.kept_small):
            return
        if self._at_small is None and self._writer.images >= SMALL:
            self._at_small = self._writer.clusters()
        elif self._at_small is not None and self._writer.images >= len(self._at_small) + MORE * BATCH:
            self.kept_small = kept_share(self._at_small, self._writer.clusters())


def kept_share(before: IntArray, after: IntArray) -> float:
    """Share of the members of clusters that are in the same one later; NaN if there were none."""
    members = np.flatnonzero(before != OUTLIER)
    return float((before == after[: len(before)])[members].mean()) if len(members) else nan


def memory_mib(which: str) -> float:
    """What Linux says of this process: ``VmHWM``, its peak with the pages of mapped files, or ``RssAnon``, without."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(which)) / 1024
