"""The router before the miners of a library in parts, with miners of this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from actors import answers
from actors.miner import Miner
from actors.plan import BackboneInfo
from actors.router import Router
from index.ingest import IngestConfig
from index.layout import ROUTING as ROUTING_FILE
from index.layout import part_folder
from index.schedule import Policy
from ops.errors import ConfigError, RejectError, StateError, StorageError
from ops.fsck import check_library
from ops.logs import LogOptions
from tests.batches import DIM, batch, sample, stream
from tests.states import POLICY, no_shape, restless, shape_of
from tests.test_index_parting import PARTS, ROUTING

INFO = BackboneInfo("test", "f" * 8, DIM)
LOGS = LogOptions()


class Actor:
    """Calls methods of an object when their results are asked for."""

    def __init__(self, of: Any) -> None:
        self._of = of
        self.fails: dict[str, list[Exception]] = {}
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def remote(*arguments: Any) -> Any:
            def answer() -> Any:
                self.calls.append(name)
                if self.fails.get(name):
                    raise self.fails[name].pop(0)
                return getattr(self._of, name)(*arguments)

            return answer

        return SimpleNamespace(remote=remote)


@pytest.fixture(autouse=True)
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(refs: Any) -> Any:
        return [ref() for ref in refs] if isinstance(refs, list) else refs()

    for module in ("miner", "router"):  # the process is that of the tests, whose logs and signals stay as they are
        monkeypatch.setattr(f"actors.{module}.claim_process", lambda logs: None)
    monkeypatch.setattr(answers, "get", get)
    monkeypatch.setattr("actors.router.get", get)


def crew(folder: Path, policy: Policy = POLICY) -> tuple[Router, list[Actor]]:
    config = IngestConfig(map_size_gib=0.25)
    miners = [Actor(Miner(LOGS, str(part_folder(folder, part)), INFO, config, policy)) for part in range(PARTS)]
    return router_of(folder, miners), miners


def router_of(folder: Path, miners: list[Actor]) -> Router:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("actors.router.find", lambda name: miners[int(name)])
        return Router(LOGS, str(folder), INFO, [str(part) for part in range(PARTS)])


@pytest.fixture
def routed(tmp_path: Path) -> Iterator[tuple[Router, list[Actor]]]:
    ROUTING.save(tmp_path)
    router, miners = crew(tmp_path)
    assert router.open() == [] and router.is_routed()
    yield router, miners
    router.close()


def test_it_answers_as_one_miner_does(routed: tuple[Router, list[Actor]], tmp_path: Path) -> None:
    router, miners = routed
    for one in stream("/a.tar", 48, 12):
        report = router.commit(one)
        assert (report.stored, report.cursor) == (12, one.header.end)
    assert report.total_images == report.index_vectors == router.opened().status.images == 48
    opened = router.opened()
    assert (opened.status.shards, opened.status.shards_done) == (1, 1)
    assert (opened.index_vectors, opened.index_recall, opened.figures) == (48, 1.0, report.figures)
    assert all(miner._of.opened().status.images for miner in miners), "each part has some"
    assert router.settle().total_images == 48
    assert router.memory() > 0
    router.reject_shard("/b.tar", RejectError("unreadable_shard", "no such file"))
    assert router.opened().status.rejects_by_reason == {"unreadable_shard": 1}
    assert [(record.url, record.cursor) for record in router.open()] == [("/a.tar", 48)]


def test_a_part_whose_disk_is_full_gets_its_share_later_and_the_others_not_again(
    routed: tuple[Router, list[Actor]], tmp_path: Path
) -> None:
    router, miners = routed
    first, second = stream("/a.tar", 24, 12)
    router.commit(first)
    miners[1].fails["commit"] = [StorageError("no_space", "free some space")] * 2
    for _ in range(2):
        with pytest.raises(StorageError, match="free some space"):
            router.commit(second)
    report = router.commit(second)
    assert (report.stored, report.total_images) == (12, 24), "what the others stored at first is told, too"
    assert [miner.calls.count("commit") for miner in miners] == [2, 4, 2]
    router.close()
    assert check_library(tmp_path).clean


def test_started_again_in_the_middle_of_a_batch_it_loses_and_doubles_nothing(
    routed: tuple[Router, list[Actor]], tmp_path: Path
) -> None:
    router, miners = routed
    first, second = stream("/a.tar", 24, 12)
    router.commit(first)
    miners[2].fails["commit"] = [StorageError("io_error", "the disk fails")]
    with pytest.raises(StorageError):
        router.commit(second)
    again = router_of(tmp_path, miners)  # as Ray does: the constructor alone
    assert again.commit(second).total_images == 24
    again.close()
    assert check_library(tmp_path).clean


def test_reconstructions_come_from_and_go_to_the_part_of_their_cluster(routed: tuple[Router, list[Actor]]) -> None:
    router, miners = routed
    for one in restless("/a.tar", 160, 16):
        router.commit(one)
    found = router.due()
    assert len(found.jobs) == found.due >= 3 and len({job.part for job in found.jobs}) > 1
    priorities = [job.priority for job in found.jobs]
    assert priorities == sorted(priorities, reverse=True)
    job, other, third = found.jobs[:3]
    given = router.recon_input(job)
    assert given.job.part == job.part
    report = router.publish(shape_of(given))
    assert (report.outcome, report.part, report.name) == ("published", job.part, f"{job.part}/{job.cluster}")
    assert miners[job.part]._of.opened().status.shapes == 1 == router.opened().status.shapes
    assert router.publish(no_shape(router.recon_input(other))).outcome == "no_shape"
    assert router.fail(third, "it broke").part == third.part
    left = [(one.part, one.cluster) for one in router.due().jobs]
    assert not {(one.part, one.cluster) for one in (job, other)} & set(left)


def test_it_learns_once_and_not_from_too_little(tmp_path: Path) -> None:
    router, _ = crew(tmp_path)
    assert router.open() == [] and not router.is_routed()
    with pytest.raises(StateError, match="not been divided"):
        router.commit(batch("/a.tar", [sample(0)]))
    with pytest.raises(ConfigError, match="12 images at least; there are 5"):
        router.route(ROUTING.centroids[:5])
    router.route(ROUTING.centroids)
    before = (tmp_path / ROUTING_FILE).read_bytes()
    router.route(np.roll(ROUTING.centroids, 1, axis=1))
    assert (tmp_path / ROUTING_FILE).read_bytes() == before and router.is_routed()
    router.close()


def test_a_lost_routing_is_not_learnt_anew(routed: tuple[Router, list[Actor]], tmp_path: Path) -> None:
    router, _ = routed
    router.commit(stream("/a.tar", 12, 12)[0])
    router.close()
    (tmp_path / ROUTING_FILE).unlink()
    again, _ = crew(tmp_path)
    with pytest.raises(StateError, match="take it from a backup"):
        again.open()
    again.close()
