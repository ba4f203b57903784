"""The doctor names each thing that is wrong, and nothing where all is well."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from daemon.cli.entry import run_command
from daemon.config import load_config
from daemon.doctor import Finding, examine, machine, settings, state
from index.lock import FileLock
from tests.cuda import needs_gpu
from tests.library_factory import make_library
from tests.prometheus import free_port


def found(folder: Path, env: Mapping[str, str] | None = None, **overrides: object) -> dict[str, Finding]:
    """The worst finding of each check."""
    ports = {"api.port": free_port(), "metrics.port": free_port()}
    by_check: dict[str, Finding] = {}
    for one in examine(folder, None, {**ports, **overrides}, env=env or {}):  # type: ignore[dict-item]
        if by_check.get(one.check) is None or one.level != "ok":
            by_check[one.check] = one
    return by_check


def problems(findings: Mapping[str, Finding]) -> set[str]:
    return {name for name, one in findings.items() if one.level == "problem"}


def test_where_all_is_well_it_says_so(tmp_path: Path) -> None:
    findings = found(tmp_path / "new")
    assert problems(findings) == set()
    assert {"python", "faiss", "memory", "token", "API port", "metrics port", "state directory", "disk"} <= set(
        findings
    )
    assert findings["library"].what == "none yet" and not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("overrides", "check", "what"),
    [
        ({"stream.nonsense": 1}, "configuration", "unknown configuration key"),
        ({"api.host": "0.0.0.0"}, "token", "without a token"),
        ({"api.token_file": "/none"}, "token", "cannot read the token file"),
        ({"ray.address": "127.0.0.1:1"}, "ray", "can't be reached"),
        ({"ray.address": "nonsense"}, "ray", "can't be reached"),
    ],
)
def test_a_configuration_that_can_not_be_had(
    tmp_path: Path, overrides: dict[str, object], check: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where the configuration can't be read its defaults are used, and a daemon may have these ports on this machine.
    ports = {"api.port": str(free_port()), "metrics.port": str(free_port())}
    module = sys.modules["daemon.doctor.examine"]  # the package exports the function under the same name
    monkeypatch.setattr(module, "Config", lambda: load_config(None, ports, {}))
    findings = found(tmp_path, **overrides)
    assert problems(findings) == {check}
    assert what in findings[check].what and findings[check].todo


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        findings = found(tmp_path, **{"metrics.port": port})
    assert problems(findings) == {"metrics port"} and f"{port}: address already in use" in findings["metrics port"].what


def test_a_gpu_that_is_asked_for_and_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [one.level for one in machine.devices({"auto"}, 0.0)] in (["ok"], ["warning"])
    (named,) = machine.devices({"auto", "cuda:0"}, 0.0)
    (shares,) = machine.devices({"auto"}, 0.5)
    assert named.level == shares.level == "problem" and "cuda:0" in named.what and "0.5 GPUs" in shares.what
    monkeypatch.setattr(machine.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert [one.level for one in machine.devices({"auto"}, 0.0)] == ["warning"]


@needs_gpu
def test_a_gpu_that_is_there_and_computes() -> None:
    found = list(machine.devices({"auto", "cuda:0"}, 1.0))
    assert [(one.check, one.level) for one in found] == [("gpu", "ok")] * torch.cuda.device_count() != []
    assert torch.cuda.get_device_name(0) in found[0].what


def test_gpus_that_compute_wrongly_or_are_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    ones = torch.ones(8, 8)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**33, 2**34))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(torch, "ones", lambda *size, device: ones)
    assert [one.level for one in machine.devices({"auto"}, 1.0)] == ["ok"]
    monkeypatch.setattr(torch, "ones", lambda *size, device: 2 * ones)
    wrong, few = machine.devices({"auto"}, 2.0)
    assert "computes wrongly" in wrong.what and wrong.level == few.level == "problem" and "2 GPUs aside, 1" in few.what


def test_packages_that_are_missing_or_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ["numpy", "torch<1", "no-such-package", "other; extra == 'gpu'"]
    monkeypatch.setattr(machine.metadata, "requires", lambda name: needed)
    whats = [one.what for one in machine.packages()]
    assert len(whats) == 2 and whats[0].startswith("torch<1 is asked for") and whats[1].startswith("no-such-package")


def test_too_little_of_anything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: SimpleNamespace(available=2**30, total=2**31))
    monkeypatch.setattr(machine.resource, "getrlimit", lambda kind: (256, 1024))
    monkeypatch.setattr(state.shutil, "disk_usage", lambda path: SimpleNamespace(free=2**20))
    findings = found(tmp_path)
    scarce = {name for name, one in findings.items() if one.level == "warning"}
    assert {"memory", "open files", "disk", "shared memory"} <= scarce and problems(findings) == set()


def test_a_directory_that_can_not_be_written() -> None:
    (finding,) = state.directory(Path("/proc/nowhere/deep"))
    assert finding.level == "problem" and "/proc can't be written" in finding.what and finding.todo


def test_a_library_is_told_and_changed_in_nothing(tmp_path: Path) -> None:
    make_library(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock.mdb"}
    config = load_config(None, {"backbone.name": "stub"}, {})
    findings = list(state.library(tmp_path, config))
    assert findings[0].what == "14 images, 3 clusters, 2 shapes"
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock.mdb"}
    assert before == after


def test_a_library_of_another_clusterer_and_one_in_use(tmp_path: Path) -> None:
    make_library(tmp_path)
    with FileLock(tmp_path / "daemon.lock"):
        findings = list(state.library(tmp_path, load_config(None, {"clustering.name": "dbstream"}, {})))
    assert f"process {os.getpid()}" in findings[0].what and findings[0].level == "warning"
    assert [one.level for one in findings[1:]] == ["ok", "problem"]
    assert "clustering.name = linkage, not dbstream" in findings[2].what


def test_a_store_that_can_not_be_read(tmp_path: Path) -> None:
    make_library(tmp_path)
    (tmp_path / "lmdb" / "data.mdb").write_bytes(b"nonsense" * 1000)
    findings = list(state.library(tmp_path, load_config(None, {}, {})))
    assert [one.level for one in findings] == ["problem"]


def test_the_encoder_is_tried_in_the_arithmetic_and_on_the_device_it_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weights(**chosen: str) -> Finding:
        (finding,) = state.weights(tmp_path, load_config(None, {f"backbone.{key}": v for key, v in chosen.items()}, {}))
        return finding

    assert weights(precision="int8").what.startswith("embedded (") and weights().level == "ok"
    refused = weights(precision="int8", name="dinov2")
    assert refused.level == "problem" and "has no precision int8" in refused.what
    monkeypatch.setattr("actors.device.claim_device", lambda wanted: "cuda" if wanted == "auto" else wanted)
    monkeypatch.setattr("index.backbones.base.find_device", torch.device)
    refused = weights(precision="int8", device="auto")
    assert refused.level == "problem" and "for processors, not for 'cuda'" in refused.what
    assert weights(precision="int8", device="cpu").level == "ok"


def test_a_check_that_breaks_is_a_finding_and_the_others_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(settings, "listeners", broken)
    findings = found(tmp_path)
    assert problems(findings) == {"listeners"} and "unforeseen" in findings["listeners"].what and "disk" in findings


def test_the_command_says_what_to_do_and_exits_by_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ports = ["--set", "api.port=0", "--set", "metrics.port=0", "--state", str(tmp_path)]
    assert run_command(["doctor", *ports]) == 0
    assert "nothing keeps a daemon from running here" in capsys.readouterr().out
    assert run_command(["doctor", *ports, "--set", "recon.device=cuda", "--json"]) == int(not torch.cuda.is_available())
    assert run_command(["doctor", *ports, "--set", "api.host=0.0.0.0", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out.split("]\n")[1] + "]")
    assert [one["check"] for one in answer if one["level"] == "problem"] == ["token"]
