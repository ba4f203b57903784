"""Starts Ray and the actors, and ends them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.answers import Handle, get
from actors.embedder import Embedder
from actors.miner import Miner
from actors.plan import BackboneInfo, CrewPlan
from actors.reader import ShardReader
from actors.reconstructor import Reconstructor
from actors.router import Router
from index.layout import part_folder
from index.records import ShardRecord
from ops.errors import ConfigError

_TRACE = 0.001  # of a resource that says where, not how much
_RETRIES = 60  # a second apart: longer than Ray takes to notice that a node is gone


def start_ray(address: str, num_cpus: int, object_store_mib: int, needed_cpus: float) -> None:
    """Starts a local Ray on loopback, or joins a running cluster.

    Raises:
        ConfigError: the cluster can't be reached.
    """
    options: dict[str, Any] = {
        "logging_level": logging.ERROR,
        "log_to_driver": False,
        "include_dashboard": False,
    }
    if address:
        options = {"address": address, "logging_level": logging.ERROR, "log_to_driver": False}
    else:
        # A machine with fewer cores than actors must still run them all, or Ray would wait for ever.
        cpus = max(num_cpus or os.cpu_count() or 1, int(-(-needed_cpus // 1)))
        # "local": without it Ray joins whatever cluster was started on this machine, and fails for being given CPUs.
        options |= {"address": "local", "num_cpus": cpus, "object_store_memory": object_store_mib * 2**20}
    try:
        with _patient_workers():
            ray.init(**options)
    except Exception as error:  # Ray raises bare ones too, such as when a busy machine takes too long to start it
        where = f"the Ray cluster at {address}" if address else "a local Ray"
        raise ConfigError(f"cannot start on {where}: {str(error).splitlines()[0]}") from error


@contextmanager
def _patient_workers() -> Iterator[None]:
    """What a local Ray is started in: idle OpenMP threads that spin starve the other actors of a small machine.

    This process itself computes now and then, and alone, and threads that sleep at once would double its time.
    """
    given = "OMP_WAIT_POLICY" in os.environ
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        yield
    finally:
        if not given:
            del os.environ["OMP_WAIT_POLICY"]


def stop_ray() -> None:
    """Ends the local Ray with all its actors, or leaves the cluster."""
    ray.shutdown()


@dataclass
class Crew:
    """The actors of one daemon.

    Of a library in parts, ``miner`` is the router before the miners in ``parts``, which live as long as they are held.
    """

    plan: CrewPlan
    info: BackboneInfo
    miner: Handle
    shards: list[ShardRecord]
    readers: list[Handle] = field(default_factory=list)
    embedders: list[Handle] = field(default_factory=list)
    reconstructors: list[Handle] = field(default_factory=list)
    parts: list[Handle] = field(default_factory=list)

    def stop_reconstructors(self) -> None:
        """Ends reconstructions at once; their clusters stay due."""
        for actor in self.reconstructors:
            ray.kill(actor)
        self.reconstructors = []

    def replace_reconstructor(self, dead: Handle) -> Handle:
        """A new reconstructor in the place of one that died, wherever there is room for it."""
        ray.kill(dead)  # it may only have been out of reach
        fresh = _reconstructor(self.plan)
        self.reconstructors = [fresh if actor == dead else actor for actor in self.reconstructors]
        return fresh

    def close(self) -> None:
        """Saves the index and releases the state; Ray goes on until it is shut down."""
        get(self.miner.close.remote())


def hire(plan: CrewPlan) -> Crew:
    """Creates the actors, loads the backbone and opens the state.

    Raises:
        BackboneError: the backbone can't be loaded.
        StateError: the state directory can't be used.
    """
    embedders = [_embedder(plan) for _ in range(plan.embedders)]
    loading = [actor.info.remote() for actor in embedders]
    # Their processes start while the backbone is loaded.
    readers = [_actor(plan, ShardReader, plan.read, cpus=0.0, gpus=0.0) for _ in range(plan.readers)]
    reconstructors = [_reconstructor(plan) for _ in range(plan.reconstructors)]
    info: BackboneInfo = get(loading)[0]
    parts = _miners(plan, info) if plan.parts > 1 else {}
    if parts:
        miner = _actor(plan, Router, plan.folder, info, list(parts), cpus=0.0, gpus=0.0, here=True)
    else:
        miner = _actor(plan, Miner, plan.folder, info, plan.ingest, plan.policy, cpus=0.0, gpus=0.0, here=True)
    shards: list[ShardRecord] = get(miner.open.remote())
    return Crew(plan, info, miner, shards, readers, embedders, reconstructors, list(parts.values()))


def _miners(plan: CrewPlan, info: BackboneInfo) -> dict[str, Handle]:
    """The miners of a library in parts, by name, in the order of the parts."""
    found = {}
    for part in range(plan.parts):
        resource = plan.part_resources[part % len(plan.part_resources)] if plan.part_resources else ""
        name, folder = f"miner of part {part}", str(part_folder(plan.folder, part))
        found[name] = _actor(
            plan, Miner, folder, info, plan.ingest, plan.policy,
            cpus=0.0, gpus=0.0, here=not resource, resource=resource, name=name,
        )  # fmt: skip
    return found


def _embedder(plan: CrewPlan) -> Handle:
    sharers = plan.embedders_a_node * plan.batches_at_once
    return _actor(
        plan, Embedder, plan.backbone, plan.device, plan.precision, sharers, plan.objects,
        cpus=plan.embedder_cpus, gpus=plan.embedder_gpus, at_once=plan.batches_at_once,
    )  # fmt: skip


def _reconstructor(plan: CrewPlan) -> Handle:
    # Not restarted by Ray, who would start the same job again at once: a cluster that kills its process has to be
    # counted as a failure, and waits.
    return _actor(
        plan, Reconstructor, plan.reconstructor,
        cpus=plan.reconstructor_cpus, gpus=plan.reconstructor_gpus, restarts=0, retries=0,
    )  # fmt: skip


def _actor(
    plan: CrewPlan,
    kind: type,
    *given: object,
    cpus: float,
    gpus: float,
    restarts: int = -1,
    retries: int = _RETRIES,
    here: bool = False,
    resource: str = "",
    name: str | None = None,
    at_once: int = 1,
) -> Handle:
    """An actor of a kind, which is told how to log and what it is given."""
    # Every method may run twice and leaves the state of one that ran once, so Ray may retry all of them.
    options: dict[str, Any] = {"max_restarts": restarts, "max_task_retries": retries, "name": name}
    if at_once > 1:
        options["max_concurrency"] = at_once
    if here:  # where the state directory is, which other nodes need not see
        node = ray.get_runtime_context().get_node_id()
        options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(node, soft=False)
    if resource:  # where the part's files are, on the one node that has it
        options["resources"] = {resource: _TRACE}
    return ray.remote(num_cpus=cpus, num_gpus=gpus, **options)(kind).remote(plan.logs, *given)
