from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from daemon import triage as module
from daemon.triage import Triage
from index.stream.batch import Batch, BatchHeader, Sample
from ops.errors import WorkerError


def batch(*keys: str) -> Batch:
    image = np.zeros((8, 8, 3), np.uint8)
    samples = [Sample(position, key, "", "", (8, 8), image) for position, key in enumerate(keys)]
    return Batch(BatchHeader("a.tar", 0, len(keys), last=True, size=0, seconds=0.0), samples)


class Process:
    """An embedder that works on others' batches for some looks, and dies of a poisoned image or of theirs."""

    def __init__(self, poison: str, others: dict[str, int]) -> None:
        self.poison = poison
        self.others = others
        self.attempts: list[tuple[str, ...]] = []
        self.on_look: Callable[[], None] = lambda: None

    def look(self, refs: list[Any], seconds: float) -> list[Any]:
        self.on_look()
        self.others = {name: looks - 1 for name, looks in self.others.items()}
        return [ref for ref in refs if self.others[ref] <= 0]

    def embed(self, given: Batch) -> Callable[[], Batch]:
        def result() -> Batch:
            keys = tuple(sample.key for sample in given.samples if sample.image is not None)
            self.attempts.append(keys)
            if self.poison in keys or any(looks > 0 for looks in self.others.values()):
                raise WorkerError("a worker died", died=True)
            return replace(given, fingerprint="embedded")

        return result


@pytest.fixture
def triage_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Process], Triage]:
    def make(process: Process) -> Triage:
        monkeypatch.setattr(module, "get", lambda ref: ref())
        monkeypatch.setattr(module, "wait", process.look)
        embedder = SimpleNamespace(
            embed=SimpleNamespace(remote=process.embed), check=SimpleNamespace(remote=lambda: lambda: None)
        )
        return Triage(SimpleNamespace(embedders=[embedder]))  # type: ignore[arg-type]

    return make


def test_nobody_is_blamed_for_what_another_batch_does_in_the_same_process(
    triage_of: Callable[[Process], Triage],
) -> None:
    process = Process(poison="bad", others={"first": 2, "second": 5})
    found = triage_of(process).embed(lambda: batch("a", "bad", "b"), ["first", "second"])
    assert found is not None
    assert [sample.key for sample in found.samples if sample.reject] == ["bad"]
    assert max(process.others.values()) <= 0 and process.attempts[0] == ("a", "bad", "b")


def test_a_stop_is_heard_while_the_others_are_waited_for(triage_of: Callable[[Process], Triage]) -> None:
    process = Process(poison="", others={"for ever": 10**9})
    triage = triage_of(process)
    process.on_look = triage.stop
    assert triage.embed(lambda: batch("a"), ["for ever"]) is None
    assert process.attempts == []
