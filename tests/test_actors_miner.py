"""The writer's actor, in this process."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from actors.miner import Miner
from actors.plan import BackboneInfo
from index.ingest import IngestConfig
from ops.logs import LogOptions
from tests.batches import DIM, stream
from tests.states import POLICY, shape_of


def test_once_the_stream_has_settled_clusters_that_grew_by_little_are_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.miner.claim_process", lambda logs: None)
    policy = replace(POLICY, growth=100.0, last=1.1)
    info = BackboneInfo("test", "f" * 8, DIM)
    first, second = stream("/a.tar", 96, 48)
    with closing(Miner(LogOptions(), str(tmp_path), info, IngestConfig(map_size_gib=0.25), policy)) as miner:
        miner.commit(first)
        jobs = miner.due().jobs
        assert jobs
        for job in jobs:
            assert miner.publish(shape_of(miner.recon_input(job))).outcome == "published"
        miner.commit(second)
        had = {job.cluster for job in jobs}
        assert not had & {job.cluster for job in miner.due().jobs}
        assert miner.settle().total_images == 96
        assert had & {job.cluster for job in miner.due().jobs}
