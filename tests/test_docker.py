"""Images, compose file, manifests and unit: all that can be shown of them without an engine."""

from __future__ import annotations

import configparser
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose

from daemon.cli.app import app
from daemon.cli.entry import load_commands
from daemon.config import load_config
from docker.requirements import requirements
from ops.audit import pins
from tests.dockerfile import Builder, exec_form, parse
from tests.kuberay import CLUSTER
from tests.prometheus import needs_prometheus

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
STAGES = {stage.name: stage for stage in parse((DOCKER / "Dockerfile").read_text())}
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
MANIFESTS = sorted((DOCKER / "kubernetes").glob("*.yaml"))
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}


def environment(stage: str) -> dict[str, str]:
    """What an image's stage sets in the environment, that of what it is built from among it."""
    found = environment(STAGES[stage].base) if STAGES[stage].base in STAGES else {}
    for text in STAGES[stage].all("ENV"):
        found |= dict(word.split("=", 1) for word in text.split())
    return found


def settings(names: dict[str, str]) -> dict[str, str]:
    """Those that are configuration."""
    return {name: value for name, value in names.items() if name.startswith("SHAPELODE_")}


def test_hadolint_has_no_complaint() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--no-color", DOCKER / "Dockerfile"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("", 0)


def test_hadolint_would_complain(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python:latest\nRUN cd /tmp && pip install torch\nUSER root\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--no-color", bad], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and {"DL3007", "DL3013", "DL3003"} <= set(re.findall(r"DL\d+", done.stdout))


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_images_run_as_nobody_in_particular_with_a_probe_and_valid_settings(target: str) -> None:
    assert STAGES[target].base == "runtime"
    runtime = STAGES["runtime"]
    assert runtime.all("USER") == ["10001:10001"] and runtime.all("STOPSIGNAL") == ["SIGTERM"]
    assert "/healthz" in runtime.all("HEALTHCHECK")[0] and exec_form(runtime.all("ENTRYPOINT")[0]) == ["shapelode"]
    assert not any("apt-get" in run for stage in STAGES.values() for run in stage.all("RUN"))
    config = load_config(env=settings(environment(target)))
    assert config.api.host == config.metrics.host == "0.0.0.0" and config.logs.format == "json"
    assert (config.recon.num_gpus > 0) == (target == "gpu")
    assert not any(
        base.endswith(":latest") or ":" not in base for base in {s.base for s in STAGES.values()} - {*STAGES}
    )


def test_the_builder_is_sent_what_is_copied_and_nothing_else() -> None:
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    copied = {word for text in STAGES["build"].all("COPY") for word in text.split()[:-1]}
    assert copied == allowed and all((ROOT / path).exists() for path in copied)


def test_every_requirement_of_the_image_is_pinned() -> None:
    pinned = pins((ROOT / "constraints.txt").read_text())
    needed = requirements((ROOT / "pyproject.toml").read_text(), ["cpu"])
    names = {re.split(r"[\[<>=!~ ]", one)[0].lower().replace("_", "-") for one in needed}
    assert len(names) > 25 and names - set(pinned) == set()
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"][0] in needed


def test_the_steps_of_the_dockerfile_make_an_installation_that_works(tmp_path: Path) -> None:
    """The RUN and COPY lines themselves, in clean folders; the pinned packages are those of this environment.

    pip is kept off the network, so whatever the lines ask for beyond what the constraints name makes them fail.
    """
    root, tools = tmp_path / "root", tmp_path / "tools"
    tools.mkdir()
    packages = Path(yaml.__file__).parents[1]
    # A `python` as the base image has it, whose virtual environments find the packages that are installed here.
    (tools / "python").write_text(
        f'#!/bin/sh\n"{sys.executable}" "$@" || exit 1\n'
        'if [ "$2" = venv ]; then cd "$3"/lib/python3*/site-packages && rm -rf setuptools* pkg_resources *distutils*; '
        f'echo "{packages}" > installed.pth; fi\n'
    )
    (tools / "python").chmod(0o755)
    builder = Builder(ROOT, root, {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(tmp_path), **OFFLINE})
    builder.build(STAGES["build"])
    assert len(builder.ran) == 2
    command = root / "opt" / "shapelode" / "bin" / "shapelode"
    shutil.rmtree(root / "src")  # the final image holds the installation alone
    where = "import daemon, index.store as store; print(daemon.__file__); print(store.__file__)"
    python = command.with_name("python")
    done = subprocess.run([python, "-c", where], capture_output=True, text=True, cwd="/",
                          env={"HOME": "/tmp"}, check=True)  # fmt: skip
    assert all(line.startswith(str(root)) for line in done.stdout.splitlines())
    site = next((root / "opt" / "shapelode" / "lib").glob("python*")) / "site-packages"
    assert (site / "daemon" / "page" / "index.html").exists()
    assert all((site / name / "py.typed").exists() for name in ("daemon", "actors", "index", "recon", "ops"))
    assert list((site / "index" / "backbones").glob("*.safetensors"))
    shown = subprocess.run([command, "config", "--json"], capture_output=True, text=True, cwd="/",
                           env={**settings(environment("cpu")), "HOME": "/tmp"}, check=True)  # fmt: skip
    assert '"host": "0.0.0.0"' in shown.stdout


def test_the_compose_files_are_valid() -> None:
    for name in ("compose.yaml", "compose.gpu.yaml"):
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (DOCKER / name).read_text())  # as the engine does
        assert PyCompose.from_yaml(text).to_dict()["services"]
    with pytest.raises(ValueError, match="nonsense"):
        PyCompose.from_yaml("services:\n  a:\n    image: a\n    nonsense: 1\n")


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_every_service_is_locked_down_and_what_it_mounts_exists(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    for volume in service["volumes"]:
        source = volume.partition(":")[0]
        assert source in COMPOSE["volumes"] or source.startswith("${CRAWL") or (DOCKER / source).exists(), volume
    if name == "shapelode":
        assert load_config(env=service["environment"]).api.token_file == "/run/secrets/token"
        assert service["build"]["target"] in STAGES


@needs_prometheus
def test_the_scraper_of_the_compose_file_loads_the_rules(tmp_path: Path) -> None:
    config = (DOCKER / "prometheus.yml").read_text().replace("/run/secrets/token", str(tmp_path / "token"))
    (tmp_path / "token").write_text("secret")
    (tmp_path / "prometheus.yml").write_text(config)
    shutil.copytree(ROOT / "ops" / "prometheus" / "rules", tmp_path / "rules")
    done = subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True)
    assert done.returncode == 0 and "2 rule files found" in done.stdout, done.stderr


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def pods(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Pod templates of a manifest, KubeRay's among them."""
    spec = document["spec"]
    if document["kind"] == "RayCluster":
        return [group["template"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]
    return [spec["template"]] if "template" in spec else []


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_manifests_are_valid(path: Path) -> None:
    checked = 0
    for document in documents(path):
        if document["kind"] != "RayCluster":
            kubernetes_validate.validate(document, "1.33", strict=True)
            checked += 1
        for pod in pods(document):
            as_pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod["spec"]}
            kubernetes_validate.validate(as_pod, "1.33", strict=True)
            checked += 1
            _mounts_what_it_has(pod["spec"], document)
    assert checked >= 2


def _mounts_what_it_has(spec: dict[str, Any], document: dict[str, Any]) -> None:
    claims = [claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", [])]
    volumes = {volume["name"] for volume in spec["volumes"]} | set(claims)
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 10001
    for container in spec["containers"]:
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        load_config(env={one["name"]: one["value"] for one in container.get("env", [])})


def test_a_manifest_with_a_wrong_key_is_refused() -> None:
    document = documents(DOCKER / "kubernetes" / "shapelode.yaml")[1]
    document["spec"]["template"]["spec"]["containers"][0]["nonsense"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="nonsense"):
        kubernetes_validate.validate(document, "1.33", strict=True)


def test_the_ray_cluster_is_as_kuberay_takes_it() -> None:
    (cluster,) = documents(DOCKER / "kubernetes" / "raycluster.yaml")
    jsonschema.validate(cluster, CLUSTER)
    groups = cluster["spec"]["workerGroupSpecs"]
    assert groups and all(group["minReplicas"] <= group["replicas"] <= group["maxReplicas"] for group in groups)
    # What a group starts Ray with are options of `ray start`.
    ray_start = importlib.import_module("ray.scripts.scripts").start  # takes seconds, which no other test should wait
    known = {option.lstrip("-") for parameter in ray_start.params for option in parameter.opts}
    given = {name for group in (cluster["spec"]["headGroupSpec"], *groups) for name in group["rayStartParams"]}
    assert given and given <= known


@pytest.mark.parametrize(
    "spoil",
    [
        lambda spec: spec.update(workerGroupSpec=[]),
        lambda spec: spec.pop("headGroupSpec"),
        lambda spec: spec["headGroupSpec"]["rayStartParams"].update({"num-gpus": 0}),
        lambda spec: spec["workerGroupSpecs"][0].pop("groupName"),
        lambda spec: spec["workerGroupSpecs"][0].update(maxReplicas="16"),
        lambda spec: spec["workerGroupSpecs"][0]["template"].update(sepc={}),
    ],
)
def test_a_ray_cluster_with_a_mistake_is_refused(spoil: Callable[[dict[str, Any]], object]) -> None:
    (cluster,) = documents(DOCKER / "kubernetes" / "raycluster.yaml")
    spoil(cluster["spec"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(cluster, CLUSTER)


def test_rays_version_is_the_pinned_one() -> None:
    (cluster,) = documents(DOCKER / "kubernetes" / "raycluster.yaml")
    assert cluster["spec"]["rayVersion"] == pins((ROOT / "constraints.txt").read_text())["ray"]


def test_the_unit_calls_commands_that_exist_and_is_locked_down() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((DOCKER / "shapelode.service").read_text())
    service = unit["Service"]
    load_commands()
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    for key in ("ExecStart", "ExecStartPre"):
        program, command, *_ = service[key].split()
        assert program == "/opt/shapelode/bin/shapelode" and command in known
    assert service["ProtectSystem"] == "strict" and service["NoNewPrivileges"] == "yes" and service["User"] != "root"
