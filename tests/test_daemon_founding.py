"""Learning the parts from the first images, with actors of this process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from daemon import founding as module
from daemon.config import load_config
from daemon.founding import found_parts
from index.stream.batch import Batch, Mark, ShardCursor
from index.stream.embed import embed_batch
from index.stream.options import ReadOptions
from ops.bench.kills.stream import DIM, ColourEncoder, write_stream
from ops.errors import SourceError, WorkerError

PER_SHARD = 24


class Crew:
    """A reader that can't read one shard, an embedder that breaks over one batch, a router that remembers."""

    def __init__(self, unreadable: str = "", breaks_at: int = -1, routed: bool = False) -> None:
        self.info = SimpleNamespace(dim=DIM)
        self.learnt: list[Any] = []
        self.embedded = 0
        self._unreadable, self._breaks_at = unreadable, breaks_at
        self._cursor = ShardCursor(ReadOptions(max_side=64))
        self.readers = [handle(read=self._read)]
        self.embedders = [handle(embed=self._embed)]
        self.miner = handle(is_routed=lambda: lambda: routed, route=lambda rows: lambda: self.learnt.append(rows))

    def _read(self, shard: str, start: int, count: int, mark: Mark) -> tuple[Any, Any]:
        def header() -> Any:
            if shard == self._unreadable:
                raise SourceError("no such file")
            return batch().header

        def batch() -> Batch:
            return self._cursor.read(shard, start, count, mark)

        return header, batch

    def _embed(self, batch: Any) -> Any:
        def answer() -> Batch:
            self.embedded += 1
            if self.embedded - 1 == self._breaks_at:
                raise WorkerError("a worker died: killed by an image", died=True)
            return embed_batch(ColourEncoder(), batch())

        return answer


def handle(**methods: Any) -> Any:
    return SimpleNamespace(**{name: SimpleNamespace(remote=method) for name, method in methods.items()})


@pytest.fixture(autouse=True)
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "get", lambda ref: ref())


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_stream(tmp_path_factory.mktemp("stream"), shards=3, per_shard=PER_SHARD)


def learn(crew: Crew, shards: list[str], sample: int) -> np.ndarray[Any, Any]:
    settings = load_config(None, {"parts.count": 2, "parts.sample": sample, "stream.batch_size": 8}, {})
    found_parts(crew, shards, settings)  # type: ignore[arg-type]
    (rows,) = crew.learnt
    return np.asarray(rows)


def test_no_more_is_looked_at_than_has_to_be(shards: list[str]) -> None:
    crew = Crew()
    rows = learn(crew, shards, 16)
    assert rows.shape == (16, DIM) and crew.embedded <= 3
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3)


def test_what_can_not_be_read_or_embedded_is_passed_over(shards: list[str]) -> None:
    everything = len(learn(Crew(), shards, 100_000))
    without_one = len(learn(Crew(unreadable=shards[1]), shards, 100_000))
    assert 0 < without_one < everything
    assert without_one < len(learn(Crew(breaks_at=0), shards, 100_000)) < everything


def test_an_input_of_nothing_is_left_to_the_router_to_refuse(tmp_path: Path) -> None:
    assert learn(Crew(), [str(tmp_path / "*.tar")], 16).shape == (0, DIM)


def test_a_library_that_is_divided_is_left_alone(shards: list[str]) -> None:
    crew = Crew(routed=True)
    found_parts(crew, shards, load_config(None, {"parts.count": 2}, {}))  # type: ignore[arg-type]
    assert crew.learnt == [] and crew.embedded == 0
