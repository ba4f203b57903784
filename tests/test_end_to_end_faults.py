"""The daemon while its processes die under it: work is done once, and the state is that of a run in peace."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from daemon.discovery import NAME
from index.lock import FileLock
from ops.faults import Fault, Plan, fired
from ops.fsck import check_state, compare_states
from ops.fsck.raw import RawState
from ops.synth.shards import write_shards
from tests.waiting import eventually

SEED = 1
HOUR_S, YEAR_S = 3600.0, 365 * 86400.0
SETTINGS = (
    "stream.batch_size=8", "recon.min_views=8", "recon.max_views=8", "recon.backoff_s=0.2", "recon.max_failures=2",
    "store.index_every=1", "recon.effort=draft", "recon.hand_back=false", "recon.workers=1",
    "recon.growth=3",  # one reconstruction a cluster is enough to break
)  # fmt: skip
IN_PEACE = ("--set", "recon.enabled=false")


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("crawl"), shapes=2, views=20, seed=SEED, per_shard=16, size=160)


def run(crawl: Path, state: Path, *options: str, plan: Plan | None = None) -> subprocess.CompletedProcess[str]:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    command = [sys.executable, "-m", "daemon.cli", "run", "--shards", str(crawl), "--state", str(state), "--json"]
    environment = os.environ | (plan.environment() if plan else {})
    return subprocess.run(
        [*command, "--no-api", "--no-metrics", *settings, *options], capture_output=True, text=True, timeout=400,
        env=environment,
    )  # fmt: skip


def settled(state: Path) -> None:
    """Waits for a writer that outlives its daemon for a moment."""
    FileLock(state / "writer.lock", wait_s=60).release()


@pytest.fixture(scope="module")
def peaceful(crawl: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("peaceful")
    result = run(crawl, state, *IN_PEACE)
    assert result.returncode == 0, result.stderr
    assert check_state(state).clean
    return state


def same(peaceful: Path, state: Path) -> None:
    report = check_state(state)
    assert report.clean, (SEED, report.findings)
    assert compare_states(peaceful, state) == [], SEED


def counts(state: Path) -> dict[str, int]:
    with RawState(state) as raw:
        return dict(raw.record("counters") or {})


def has_images(state: Path) -> bool:
    return (state / "lmdb" / "data.mdb").exists() and counts(state).get("stored", 0) > 0


@pytest.fixture
def ray_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where Ray has its sessions; a folder of its own, since Ray's sockets need a shorter name than ``tmp_path``."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


def test_each_kind_of_actor_may_die_and_its_work_is_redone_once(
    crawl: Path, peaceful: Path, tmp_path: Path, ray_folder: Path
) -> None:
    deaths = ("read.before", "embed.after", "commit.during", "commit.after", "recon.before", "publish.after")
    # The writer's clock is set back, forward while it notes when to try again, and right again as it dies.
    jumps = (Fault("commit.before", "clock", seconds=-HOUR_S), Fault("fail.before", "clock", seconds=YEAR_S))
    plan = Plan(str(tmp_path / "fired"), (*(Fault(point) for point in deaths), *jumps))
    result = run(crawl, tmp_path / "state", "--log-format", "json", "--log-level", "debug", plan=plan)
    assert result.returncode == 0, result.stderr
    assert sorted(one.point for one in fired(plan.log) if one.action == "kill") == sorted(deaths)
    assert [one.point for one in fired(plan.log) if one.action == "clock"] == [jump.point for jump in jumps]
    same(peaceful, tmp_path / "state")
    # The reconstruction that died with its process was counted as a failure, and tried again by another process.
    assert result.stderr.count("reconstruction failed: a worker died") == 1
    # The result whose acknowledgement was lost was recorded once: every attempt is a version or the one failure.
    report = check_state(tmp_path / "state")
    assert counts(tmp_path / "state")["reconstructions"] == report.records["shapes"] + 1 >= 2
    # What Ray says of the dead goes where people look, not into the summary that programs read.
    assert json.loads(result.stdout)["total_images"] == counts(tmp_path / "state")["stored"]
    told = [json.loads(line) for line in result.stderr.splitlines()]
    assert any(line["logger"] == "shapelode.ray" and "worker died" in line["message"] for line in told)
    logs_say_what_they_are_about(told, tmp_path / "state")
    actors_log_as_the_daemon_does(ray_folder)


def logs_say_what_they_are_about(told: list[dict[str, Any]], state: Path) -> None:
    """Every refused image is named, and every reconstruction as it begins and ends."""
    refused = [line for line in told if line["message"].startswith("image refused")]
    with RawState(state) as raw:
        kept = [(record["key"], record["reason"]) for _, record in raw.records("rejects")]
    assert sorted((line["image"], line["reason"]) for line in refused) == sorted(kept) != []
    begun = [line for line in told if "reconstructing from" in line["message"]]
    ended = [line for line in told if "outcome" in line]
    assert [(line["cluster"], line["job"]) for line in begun] == [(line["cluster"], line["job"]) for line in ended]
    assert all(line["job"].startswith(f"{line['cluster']}.") for line in begun)
    assert {"failed", "published"} <= {line["outcome"] for line in ended} and len(ended) >= 3


def actors_log_as_the_daemon_does(ray_folder: Path) -> None:
    """In Ray's session folder, the writer tells in the daemon's format what it rebuilt after its death."""
    files = ray_folder.glob("ray/session_2*/logs/worker-*.err")
    ours = [line for file in files for line in file.read_text().splitlines() if "shapelode." in line]
    told = [json.loads(line) for line in ours]
    assert any((one["logger"], one["level"]) == ("shapelode.index", "warning") for one in told), ours


def test_the_daemon_may_be_killed_at_any_step_and_while_it_recovers(
    crawl: Path, peaceful: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    for point in ("commit.during", "open.restored", "recon.checkpoint"):
        plan = Plan(str(tmp_path / point), (Fault(point, victims=(str(state / "daemon.lock"),)),))
        result = run(crawl, state, plan=plan)
        assert result.returncode == -9, result.stderr
        assert [one.point for one in fired(plan.log)] == [point]
        settled(state)
        assert check_state(state).clean or (point == "commit.during" and not counts(state))
    assert run(crawl, state).returncode == 0
    same(peaceful, state)
    assert check_state(state).records["shapes"] >= 1


def test_memory_that_runs_out_in_a_reconstruction_touches_nothing_else(
    crawl: Path, peaceful: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    faults = (Fault("recon.before", "out_of_memory"), Fault("recon.before", "memory_error", times=1000))
    result = run(crawl, state, plan=Plan(str(tmp_path / "fired"), faults))
    assert result.returncode == 0, result.stderr
    same(peaceful, state)
    answer = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "clusters", "--quarantined", "--json", "--state", str(state)],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    found = json.loads(answer.stdout)["items"]
    assert found and all(c["failures"] >= 2 and "out of memory" in c["reason"] for c in found)
    happened = [one.action for one in fired(tmp_path / "fired")]
    assert len(happened) == counts(state)["reconstructions"] >= 2 * len(found)
    assert happened[0] == "out_of_memory" and {*happened[1:]} == {"memory_error"}


def test_an_image_that_kills_its_embedder_is_refused_and_a_second_daemon_too(
    crawl: Path, peaceful: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    keys = sorted(keys_of(peaceful))
    plan = Plan(str(tmp_path / "fired"), (Fault("embed.before", about=keys[5], times=1000),))
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run, crawl, state, *IN_PEACE, "--set", "stream.batch_size=2", plan=plan)
        eventually(lambda: has_images(state), "an image to be stored", 200)
        second = run(crawl, state, *IN_PEACE)
        assert not running.done(), "there was no first daemon any more"
        assert second.returncode == 1 and "in use by another daemon" in second.stderr, second.stderr
        result = running.result()
    assert result.returncode == 0, result.stderr
    assert len(fired(plan.log)) == 5, "once with its batch, once more to see, three times alone"
    assert keys_of(state) == {*keys} - {keys[5]}
    assert counts(state)["rejected"] == counts(peaceful).get("rejected", 0) + 1
    assert check_state(state).clean


def keys_of(state: Path) -> set[str]:
    with RawState(state) as raw:
        return {str(record["key"]) for _, record in raw.records("samples")}


@pytest.fixture
def slowly(peaceful: Path, tmp_path: Path) -> Plan:
    """Each batch leaves the id of its embedder in the log; over the crawl's second one it sleeps until its node dies.

    That batch is told by an image of it: batches are embedded two at a time, so that the second to be begun may be
    the one which the stream has to commit first.
    """
    (in_second,) = (key for key in keys_of(peaceful) if key.endswith("00015"))  # of 8 images a batch
    told = Fault("embed.before", "sleep", seconds=0.01, times=1000)
    return Plan(str(tmp_path / "fired"), (told, Fault("embed.before", "sleep", about=in_second, seconds=200.0)))


@pytest.fixture
def two_nodes(slowly: Plan, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """A Ray cluster whose head has no CPU for actors, so that they all but the writer go to the second node."""
    for name, value in slowly.environment().items():
        monkeypatch.setenv(name, value)  # actors have the environment of their node, not that of the daemon
    importlib.import_module("actors")  # keeps Ray on loopback, which has to be said before Ray is imported
    ray_cluster = importlib.import_module("ray.cluster_utils")
    node = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
    cluster = ray_cluster.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **node})
    try:
        yield cluster, cluster.add_node(num_cpus=2, object_store_memory=100 * 2**20)
    finally:
        cluster.shutdown()


def test_a_node_may_die(crawl: Path, peaceful: Path, tmp_path: Path, slowly: Plan, two_nodes: tuple[Any, Any]) -> None:
    cluster, second = two_nodes
    state = tmp_path / "state"
    with ThreadPoolExecutor() as pool:
        watched = ("--metrics", "--metrics-port", "0")
        running = pool.submit(run, crawl, state, *IN_PEACE, *watched, "--ray-address", cluster.address)
        eventually(lambda: has_images(state), "an image to be stored", 200)
        writer = (state / "writer.lock").read_text()
        (embedder,) = {one.pid for one in fired(slowly.log)}
        cluster.add_node(num_cpus=2, object_store_memory=100 * 2**20)
        before = ray_nodes(state)
        cluster.remove_node(second, allow_graceful=False)
        known = [before]
        while not running.done():
            known.append(ray_nodes(state) or known[-1])
            time.sleep(0.2)
        result = running.result()
    assert result.returncode == 0, result.stderr
    embedders = {one.pid for one in fired(slowly.log)}
    assert embedder in embedders and len(embedders) == 2, "the node's death has not hit the embedder"
    assert (state / "writer.lock").read_text() == writer, "the writer was not where the state is"
    assert len(before) >= 2 and before - known[-1], "Prometheus was not told that a node is gone"
    assert not (state / NAME).exists(), "the daemon has ended, and is not to be missed"
    same(peaceful, state)


def ray_nodes(state: Path) -> set[str]:
    """Nodes that Prometheus is told of; none while there is no daemon."""
    try:
        groups = json.loads((state / NAME).read_text())
    except FileNotFoundError:
        return set()
    return {group["labels"]["node"] for group in groups if group["labels"]["part"] == "ray"}
