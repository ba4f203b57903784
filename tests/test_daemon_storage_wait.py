from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from daemon import storage_wait as module
from daemon.storage_wait import StorageWait
from daemon.telemetry import Telemetry
from ops.errors import StateError, StorageError
from tests.test_daemon_telemetry import value

FULL = StorageError("no_space", "no space left for x; free some space")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "get", lambda answer: answer())

    class Pause(module.Event):
        def wait(self, timeout: float | None = None) -> bool:
            clock.now += timeout or 0.0
            return self.is_set()

    monkeypatch.setattr(module, "Event", Pause)
    return clock


def failing(times: int, error: Exception = FULL) -> Callable[[], Callable[[], Any]]:
    left = [times]

    def answer() -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return "done"

    return lambda: answer


def test_it_goes_on_once_the_disk_takes_writes_and_says_why_it_waited(clock: Clock) -> None:
    before = value("shapelode_backpressure_seconds_total", cause="no_space")
    assert StorageWait(Telemetry(), 600, clock).call(failing(6)) == "done"
    assert value("shapelode_backpressure_seconds_total", cause="no_space") == pytest.approx(before + clock.now)
    assert clock.now == 0.5 + 1 + 2 + 4 + 8 + 15


def test_it_gives_up_after_the_limit(clock: Clock) -> None:
    with pytest.raises(StorageError, match="no space left"):
        StorageWait(Telemetry(), 60, clock).call(failing(1000))
    assert 60 <= clock.now < 80


def test_it_gives_up_at_once_when_asked_to_stop(clock: Clock) -> None:
    wait = StorageWait(Telemetry(), 600, clock)
    wait.stop()
    with pytest.raises(StorageError):
        wait.call(failing(1))
    assert clock.now == 0


def test_other_errors_are_not_waited_for(clock: Clock) -> None:
    with pytest.raises(StateError, match="other"):
        StorageWait(Telemetry(), 600, clock).call(failing(1, StateError("other")))
    assert clock.now == 0


def test_the_error_travels_between_processes() -> None:
    again = pickle.loads(pickle.dumps(FULL))
    assert (again.cause, str(again)) == (FULL.cause, str(FULL))
