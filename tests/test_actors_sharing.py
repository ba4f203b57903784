from __future__ import annotations

import pytest

from actors.sharing import SharedTime


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_who_uses_a_device_alone_has_all_of_its_time() -> None:
    clock = Clock()
    shared = SharedTime(clock)
    clock.now += 50  # nobody's
    with shared.using() as share:
        clock.now += 3
    assert share.seconds == pytest.approx(3)


def test_shares_of_those_at_once_add_up_to_the_time_in_which_there_was_anyone() -> None:
    clock = Clock()
    shared = SharedTime(clock)
    with shared.using() as first:
        clock.now += 4
        with shared.using() as second:
            clock.now += 6
        clock.now += 1
    assert second.seconds == pytest.approx(3) and first.seconds == pytest.approx(4 + 3 + 1)


def test_a_share_is_told_of_what_failed_too_and_ends_with_it() -> None:
    clock = Clock()
    shared = SharedTime(clock)
    with pytest.raises(ZeroDivisionError), shared.using() as failed:
        clock.now += 2
        raise ZeroDivisionError
    with shared.using() as after:
        clock.now += 5
    assert failed.seconds == pytest.approx(2) and after.seconds == pytest.approx(5)
