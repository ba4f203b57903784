"""When repairs come due."""

from __future__ import annotations

from index.clustering.clock import RepairClock


def due_at(clock: RepairClock, end: int) -> list[int]:
    found = []
    for number in range(1, end + 1):
        clock.tick(1)
        if clock.until_due() == 0:
            found.append(number)
            clock.repaired()
    return found


def test_repairs_thin_out_as_the_stream_grows() -> None:
    assert due_at(RepairClock(growth=0.5, min_inserts=10), 80) == [10, 20, 30, 45, 67]


def test_overdue_is_due() -> None:
    clock = RepairClock(0.5, 10)
    clock.tick(25)
    assert clock.until_due() == 0 and clock.learnt == 25
