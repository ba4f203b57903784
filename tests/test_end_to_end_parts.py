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

import httpx
import pytest
import torch
import yaml

from index.layout import part_folder
from index.lock import FileLock
from ops.faults import Fault, Plan, fired
from ops.fsck import check_library, compare_states
from ops.fsck.raw import RawState
from ops.synth.shards import write_shards
from tests.dockerfile import DOCKER

PARTS = 2
SETTINGS = (
    "stream.batch_size=8", "recon.min_views=6", "recon.max_views=8", "recon.effort=draft", "recon.hand_back=false",
    "recon.growth=3", "recon.workers=1", "store.index_every=1", f"parts.count={PARTS}", "parts.sample=64",
)  # fmt: skip
SHARED_GPU = ("--set", "backbone.num_gpus=0.5", "--set", "recon.num_gpus=0.5")


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
def nodes() -> Iterator[Any]:
    """A head without CPUs, a node with one, and one with a GPU that is made up; parts live on the first two."""
    importlib.import_module("actors")  # keeps Ray on loopback, which has to be said before Ray is imported
    ray_cluster = importlib.import_module("ray.cluster_utils")
    small = {"object_store_memory": 100 * 2**20}
    # The agent of a head has a fixed port, unless told otherwise, and there may be another Ray on this machine.
    head = {"num_cpus": 0, "include_dashboard": False, "dashboard_agent_listen_port": 0, **small}
    cluster = ray_cluster.Cluster(initialize_head=True, head_node_args={**head, "resources": {"left": 1}})
    try:
        cluster.add_node(num_cpus=1, resources={"right": 1}, **small)
        cluster.add_node(num_cpus=2, num_gpus=1, **small)
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


def placed(cluster: Any) -> set[tuple[str, str]]:
    """Kinds of actors and where they ran, each node told by what only that one has."""
    marks = {}
    for node in cluster.global_state.node_table():
        (marks[node["NodeID"]],) = {"left", "right", "GPU"} & set(node["Resources"])
    actors = cluster.global_state.actor_table(None).values()
    return {(actor["ActorClassName"], marks[actor["Address"]["NodeID"]]) for actor in actors}


def probes() -> set[str]:
    """Paths of Ray's agent that Kubernetes is told to ask for."""
    cluster = yaml.safe_load((DOCKER / "kubernetes" / "raycluster.yaml").read_text())["spec"]
    containers = [group["template"]["spec"]["containers"][0]
                  for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]  # fmt: skip
    return {one[kind]["httpGet"]["path"] for one in containers for kind in ("livenessProbe", "readinessProbe")}


def released(state: Path) -> None:
    """Waits for writers that outlive their daemon for a moment."""
    for part in range(PARTS):
        if part_folder(state, part).exists():
            FileLock(part_folder(state, part) / "writer.lock", wait_s=60).release()


def test_parts_on_several_nodes_hold_what_a_run_in_peace_does(crawl: Path, tmp_path: Path, nodes: Any) -> None:
    whole, state = tmp_path / "whole", tmp_path / "state"
    for node in nodes.global_state.node_table():
        agent = f"http://127.0.0.1:{node['DashboardAgentListenPort']}"
        assert {httpx.get(agent + path, trust_env=False).status_code for path in probes()} == {200}
    there = ("--no-api", "--set", "parts.resources=left,right", "--ray-address", nodes.address, *SHARED_GPU)
    told = run(crawl, whole, *there)
    assert told.returncode == 0, told.stderr
    # Who computes is where there is a GPU, though another node has a processor to spare; who writes, where it was told.
    where = {one for one in placed(nodes) if one[0] != "ShardReader"}
    writing = {("Miner", "left"), ("Miner", "right"), ("Router", "left")}
    assert where == {("Embedder", "GPU"), ("Reconstructor", "GPU")} | writing
    if not torch.cuda.is_available():  # `auto` has computed on the CPU above; who asks for CUDA gets it or nothing
        refused = run(crawl, tmp_path / "cuda", *there, "--set", "backbone.device=cuda")
        assert refused.returncode == 1 and "torch cannot use the device 'cuda'" in refused.stderr, refused.stderr
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
