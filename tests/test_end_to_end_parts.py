"""A library in parts on several Ray nodes: killed and gone on with, it holds what one piece would."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from index.layout import part_folder
from index.lock import FileLock
from ops.faults import Fault, Plan, fired
from ops.fsck import check_library, compare_states
from ops.fsck.raw import RawState
from ops.synth.shards import write_shards

PARTS = 2
SETTINGS = (
    "stream.batch_size=8", "recon.min_views=6", "recon.max_views=8", "recon.effort=draft", "recon.hand_back=false",
    "recon.growth=3", "store.index_every=1", f"parts.count={PARTS}", "parts.sample=64",
)  # fmt: skip


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("crawl"), shapes=4, views=20, seed=1, per_shard=16, size=160)


def run(
    crawl: Path, state: Path, *options: str, plan: Plan | None = None, plain: bool = False
) -> subprocess.CompletedProcess[str]:
    settings = [] if plain else [part for setting in SETTINGS for part in ("--set", setting)]
    command = [sys.executable, "-m", "daemon.cli", "run", "--shards", str(crawl), "--state", str(state), "--json"]
    return subprocess.run(
        [*command, "--no-metrics", *settings, *options], capture_output=True, text=True, timeout=400,
        env=os.environ | (plan.environment() if plan else {}),
    )  # fmt: skip


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without CPUs and two nodes; parts live on the second and the third."""
    importlib.import_module("actors")  # keeps Ray on loopback, which has to be said before Ray is imported
    ray_cluster = importlib.import_module("ray.cluster_utils")
    small = {"object_store_memory": 100 * 2**20}
    head = {"num_cpus": 0, "include_dashboard": False, **small}
    cluster = ray_cluster.Cluster(initialize_head=True, head_node_args=head)
    try:
        for name in ("left", "right"):
            cluster.add_node(num_cpus=1, resources={name: 1}, **small)
        yield cluster
    finally:
        cluster.shutdown()


def photos(state: Path) -> Counter[tuple[str, int]]:
    """How many objects of each photo all parts hold."""
    found: Counter[tuple[str, int]] = Counter()
    for part in range(PARTS):
        with RawState(part_folder(state, part)) as raw:
            found.update((record["shard"], record["index"]) for _, record in raw.records("samples"))
    return found


def released(state: Path) -> None:
    """Waits for writers that outlive their daemon for a moment."""
    for part in range(PARTS):
        if part_folder(state, part).exists():
            FileLock(part_folder(state, part) / "writer.lock", wait_s=60).release()


def test_parts_on_several_nodes_hold_what_a_run_in_peace_does(crawl: Path, tmp_path: Path, nodes: Any) -> None:
    whole, state = tmp_path / "whole", tmp_path / "state"
    there = ("--no-api", "--set", "parts.resources=left,right", "--ray-address", nodes.address)
    told = run(crawl, whole, *there)
    assert told.returncode == 0, told.stderr
    summary = json.loads(told.stdout)
    assert summary["total_images"] == photos(whole).total() >= 78 and summary["shapes"] >= 1, told.stderr
    assert all(check_library(whole).records[table] for table in ("shards", "samples", "shapes"))
    writers = {(part_folder(whole, part) / "writer.lock").read_text() for part in range(PARTS)}
    assert len(writers) == PARTS, "each part has a writer of its own"

    in_peace = ("--no-api", "--set", "recon.enabled=false")
    plan = Plan(str(tmp_path / "fired"), (Fault("commit.during", nth=4, victims=(str(state / "daemon.lock"),)),))
    broken = run(crawl, state, *in_peace, plan=plan)
    assert broken.returncode == -9 and len(fired(plan.log)) == 1, broken.stderr
    released(state)
    gone_on = run(crawl, state, *in_peace)
    assert gone_on.returncode == 0, gone_on.stderr
    assert photos(state) == photos(whole)
    report = check_library(state)
    assert report.clean, report.findings
    for part in range(PARTS):
        assert compare_states(part_folder(whole, part), part_folder(state, part), shapes=False) == []


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--set", "parts.count=2"), "add --no-api"),
        (("--set", "parts.count=2", "--no-api", "--set", "parts.sample=640000"), None),
    ],
)
def test_what_parts_cannot_do_is_one_line(
    crawl: Path, tmp_path: Path, options: tuple[str, ...], what: str | None
) -> None:
    result = run(crawl, tmp_path / "state", *options, "--set", "recon.enabled=false", plain=True)
    if what is None:
        assert result.returncode == 0, result.stderr
        again = run(crawl, tmp_path / "state", "--no-api", plain=True)
        assert again.returncode == 1 and "is a library in parts; set parts.count" in again.stderr
    else:
        assert result.returncode == 2 and what in result.stderr
