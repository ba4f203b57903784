from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon import watch as module
from daemon.telemetry import Telemetry
from daemon.watch import MemoryWatch, Watch
from ops.errors import WorkerError
from tests.test_daemon_telemetry import value


class Actor:
    """Answers when it is told to."""

    def __init__(self, size: int | None) -> None:
        self.size, self.asked = size, 0
        self.dead = False
        self.memory = SimpleNamespace(remote=self._remote)

    def _remote(self) -> Actor:
        self.asked += 1
        return self


def fake_get(actor: Actor) -> Any:
    if actor.dead:
        raise WorkerError("a worker died", died=True)
    return actor.size


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "get", fake_get)
    monkeypatch.setattr(module, "wait", lambda refs, seconds: [ref for ref in refs if ref.size is not None])


def crew(**kinds: Any) -> Any:
    return SimpleNamespace(**{"readers": [], "embedders": [], "reconstructors": [], "miner": Actor(1), **kinds})


def test_a_busy_actor_is_asked_once_and_counted_when_it_answers() -> None:
    busy, quick = Actor(None), Actor(7)
    watch = MemoryWatch(crew(reconstructors=[busy], embedders=[quick, quick]))
    for _ in range(4):
        sizes = watch.look()
    assert busy.asked == 1 and sizes["reconstructor"] == 0 and sizes["embedder"] == 14
    busy.size = 5
    assert watch.look()["reconstructor"] == 5
    assert watch.look()["daemon"] > 2**20


def test_actors_that_died_or_were_replaced_are_no_matter() -> None:
    old = Actor(5)
    members = crew(reconstructors=[old])
    watch = MemoryWatch(members)
    watch.look()
    old.dead = True
    assert watch.look()["reconstructor"] == 0
    members.reconstructors = [Actor(9)]
    watch.look()
    assert watch.look()["reconstructor"] == 9


def test_what_is_seen_is_told(tmp_path: Path) -> None:
    watch = Watch(tmp_path, crew(readers=[Actor(3)]), Telemetry())
    for _ in range(2):
        watch()
    assert value("shapelode_process_memory_bytes", process="reader") == 3
    assert value("shapelode_disk_free_bytes") > 0
