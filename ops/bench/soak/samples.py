"""Memory, file handles and threads of the daemon's processes over time, and how fast they rise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

import numpy as np
import psutil

WARM_UP_S = 180.0
WINDOW_S = 300.0  # longer than any batch, repair or reconstruction of the soak's library
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment.

    Attributes:
        kind: ``daemon`` or the kind of actor.
        pid: its process; a restart is another.
        age: seconds since it was first seen.
        memory: anonymous resident memory in MiB. Private memory as the kernel counts it would include the pages of
            the store's map that no other process looks at, and so rise as the store does.
        handles: open file descriptors.
        threads: threads.
    """

    kind: str
    pid: int
    age: float
    memory: float
    handles: int
    threads: int


@dataclass(frozen=True, slots=True)
class Slope:
    """How fast something rises, over all processes of a kind.

    Attributes:
        per_hour: least squares with an intercept for each process.
        error: standard error of it.
        seconds: time of observation.
        highest: greatest value seen.
    """

    per_hour: float
    error: float
    seconds: float
    highest: float


def anonymous(pid: int) -> float:
    """Anonymous resident memory of a process in MiB.

    Raises:
        OSError: it is gone.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    # A process that has ended but was not waited for has none.
    sizes = [int(line.split()[1]) for line in lines if line.startswith("RssAnon:")]
    return sizes[0] / 1024 if sizes else 0.0


class Sampler:
    """Collects samples; processes are new to it when it first sees them."""

    def __init__(self) -> None:
        self._born: dict[int, float] = {}
        self.samples: list[Sample] = []

    def look(self, processes: Mapping[str, Iterable[psutil.Process]], now: float) -> None:
        """Takes one sample of each process; one that has just ended is passed over."""
        for kind, found in processes.items():
            for process in found:
                age = now - self._born.setdefault(process.pid, now)
                try:
                    self.samples.append(
                        Sample(kind, process.pid, age, anonymous(process.pid), process.num_fds(), process.num_threads())
                    )
                except (psutil.Error, OSError):
                    continue

    def mark(self) -> int:
        """A place in the samples, for `slope`."""
        return len(self.samples)

    def kinds(self) -> list[str]:
        """Kinds seen, sorted."""
        return sorted({sample.kind for sample in self.samples})

    def slope(self, kind: str, name: str, since: int = 0) -> Slope | None:
        """The slope of one figure of one kind, None if no process was seen for long enough.

        It is fitted to the least value of each five minutes: a flood of connections, a batch or a reconstruction in
        work comes and goes, what leaks stays. A process's first three minutes are left out.

        Args:
            kind: of process.
            name: ``memory``, ``handles`` or ``threads``.
            since: only samples from a `mark` on.
        """
        least: dict[int, dict[int, tuple[float, float]]] = defaultdict(dict)
        highest = 0.0
        for sample in self.samples[since:]:
            if sample.kind == kind and sample.age >= WARM_UP_S:
                value, window = float(getattr(sample, name)), int(sample.age // WINDOW_S)
                known = least[sample.pid].setdefault(window, (sample.age, value))
                least[sample.pid][window] = min(known, (sample.age, value), key=itemgetter(1))
                highest = max(highest, value)
        found = fit([list(points.values()) for points in least.values() if len(points) >= _FEWEST])
        return found and replace(found, highest=highest)


def fit(series: list[list[tuple[float, float]]]) -> Slope | None:
    """Least squares of one slope with an intercept for each series of (seconds, value)."""
    centred = [np.array(points) - np.mean(points, axis=0) for points in series]
    if not centred:
        return None
    rows = np.concatenate(centred)
    spread = float((rows[:, 0] ** 2).sum())
    if not spread:
        return None
    slope = float(rows[:, 0] @ rows[:, 1]) / spread
    residual = rows[:, 1] - slope * rows[:, 0]
    freedom = max(len(rows) - len(series) - 1, 1)
    error = float(np.sqrt(residual @ residual / freedom / spread))
    seconds = sum(points[-1][0] - points[0][0] for points in series)
    highest = max(value for points in series for _, value in points)
    return Slope(slope * 3600, error * 3600, seconds, highest)
