from __future__ import annotations

import weakref
from pathlib import Path

import pytest
import torch

from actors.device import claim_cores, claim_device, releasing_memory
from daemon.config import load_config
from daemon.run import crew_plan
from ops.errors import ReconstructionError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError(), "out of memory: MemoryError"),
        (MemoryError("cannot allocate 3 GiB"), "cannot allocate 3 GiB"),
        (torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate"), "CUDA out of memory"),
    ],
)
def test_running_out_of_memory_is_a_failure_that_says_what_helps(error: Exception, text: str) -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def fill() -> None:
        tensor = torch.zeros(10)
        held.append(weakref.ref(tensor))
        raise error

    with pytest.raises(ReconstructionError, match=text) as caught, releasing_memory():
        fill()
    assert "recon.max_views" in str(caught.value) and "\n" not in str(caught.value)
    assert held[0]() is None, "the error keeps alive what filled the memory"


@pytest.mark.parametrize(("sharers", "threads"), [(1, 8), (3, 2), (20, 1)])
def test_those_who_share_a_machine_share_its_cores(sharers: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    claim_cores(sharers)
    assert asked == [threads]


def test_a_device_that_is_named_is_taken_and_without_a_gpu_the_processor() -> None:
    assert claim_device("meta") == "meta"
    assert claim_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(("there", "taken"), [(True, "cuda"), (False, "cpu")])
def test_only_auto_gives_way_to_the_processor(there: bool, taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert claim_device("auto") == taken
    assert [claim_device(name) for name in ("cuda", "cuda:1")] == ["cuda", "cuda:1"]


@pytest.mark.parametrize(("address", "sharers"), [("", 3), ("10.0.0.1:6379", 1)])
def test_actors_of_one_machine_share_its_cores_and_those_of_a_cluster_do_not(
    address: str, sharers: int, tmp_path: Path
) -> None:
    config = load_config(overrides={"backbone.embedders": 3, "recon.workers": 3, "ray.address": address}, env={})
    plan = crew_plan(tmp_path, config)
    assert plan.embedders_a_node == plan.reconstructor.sharers == sharers


def test_other_failures_and_successes_pass() -> None:
    with pytest.raises(ZeroDivisionError), releasing_memory():
        raise ZeroDivisionError
    with releasing_memory():
        pass


@pytest.mark.parametrize(("asked", "dense"), [("int8", "auto"), ("bf16", "bf16"), ("auto", "auto")])
def test_patch_features_are_never_asked_for_in_8_bits(asked: str, dense: str, tmp_path: Path) -> None:
    plan = crew_plan(tmp_path, load_config(overrides={"backbone.precision": asked}, env={}))
    assert (plan.precision, plan.reconstructor.precision) == (asked, dense)
