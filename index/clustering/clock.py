"""When a repair is due."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class RepairClock:
    """Counts what is learnt, so that repairs keep pace with the growth of the stream.

    A repair costs more the more there is; one each time the stream has grown by a fixed share keeps the cost of
    an insert from growing with the number of repairs.

    Attributes:
        growth: share of the stream at the last repair after which another is due.
        min_inserts: inserts before the first repair, and the fewest between two.
        learnt: vectors learnt.
        since_repair: of these, since the last repair.
        pace: inserts after which a repair is due whatever the growth, 0 while growth decides.
    """

    growth: float
    min_inserts: int
    learnt: int = 0
    since_repair: int = 0
    pace: int = 0

    def until_due(self) -> int:
        """Vectors to learn until a repair is due, 0 if it is due now."""
        if self.pace:
            return max(self.pace - self.since_repair, 0)
        repaired = self.learnt - self.since_repair
        return max(max(self.min_inserts, int(self.growth * repaired)) - self.since_repair, 0)

    def tick(self, count: int) -> None:
        """Counts vectors learnt."""
        self.learnt += count
        self.since_repair += count

    def forget(self, count: int) -> None:
        """Takes back vectors, the latest first."""
        self.learnt -= count
        self.since_repair = min(self.since_repair, self.learnt)

    def repaired(self) -> None:
        """Starts counting anew."""
        self.since_repair = 0
