"""The manifests for Kubernetes, by schemas and by what they say of each other."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from daemon.config import load_config
from ops.audit import pins
from tests.dockerfile import DOCKER, ROOT, TOKEN_FILE, environment, settings
from tests.kuberay import CLUSTER, METRICS_PORT, labels
from tests.podmonitor import MONITOR

MANIFESTS = sorted((DOCKER / "kubernetes").glob("*.yaml"))
OWN_SCHEMAS = {"RayCluster": CLUSTER, "PodMonitor": MONITOR}  # kinds that Kubernetes itself does not know


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
        if document["kind"] in OWN_SCHEMAS:
            jsonschema.validate(document, OWN_SCHEMAS[document["kind"]])
        else:
            kubernetes_validate.validate(document, "1.33", strict=True)
        checked += 1
        for pod in pods(document):
            as_pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod["spec"]}
            kubernetes_validate.validate(as_pod, "1.33", strict=True)
            _mounts_what_it_has(pod["spec"], document)
            _is_locked_down(pod["spec"])
    assert checked == len(documents(path)) >= 1


def _mounts_what_it_has(spec: dict[str, Any], document: dict[str, Any]) -> None:
    claims = [claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", [])]
    volumes = {volume["name"] for volume in spec["volumes"]} | set(claims)
    for container in spec["containers"]:
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        image = settings(environment(container["image"].partition(":")[2]))
        config = load_config(env=image | {one["name"]: one["value"] for one in container.get("env", [])})
        busy = 2 * config.backbone.embedders * config.backbone.batches_at_once
        assert config.stream.in_flight >= busy, "embedders would wait for batches"


def _is_locked_down(spec: dict[str, Any]) -> None:
    """No container gains rights or writes to the image's files: what is written is mounted."""
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        written = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        assert written == {"/state", "/tmp", "/dev/shm"}, container["name"]


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


def test_ray_answers_where_its_probes_ask() -> None:
    (cluster,) = documents(DOCKER / "kubernetes" / "raycluster.yaml")
    probes = [pod["spec"]["containers"][0][kind]["httpGet"]
              for pod in pods(cluster) for kind in ("livenessProbe", "readinessProbe")]  # fmt: skip
    agent = importlib.import_module("ray.dashboard.http_server_agent")
    constants = importlib.import_module("ray._private.ray_constants")
    # KubeRay gives the agent's port its default by name; paths that are no secret need no token of Ray's.
    assert len(probes) == 4
    assert all(probe["port"] == constants.DEFAULT_DASHBOARD_AGENT_LISTEN_PORT for probe in probes)
    assert all(probe["path"] in agent.PUBLIC_EXACT_PATHS for probe in probes)


def _head(spec: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = spec["headGroupSpec"]["template"]["spec"]["containers"][0]
    return container


def _worker(spec: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = spec["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]
    return container


@pytest.mark.parametrize(
    "spoil",
    [
        lambda spec: spec.update(workerGroupSpec=[]),
        lambda spec: spec.pop("headGroupSpec"),
        lambda spec: spec["headGroupSpec"]["rayStartParams"].update({"num-gpus": 0}),
        lambda spec: spec["workerGroupSpecs"][0].pop("groupName"),
        lambda spec: spec["workerGroupSpecs"][0].update(maxReplicas="16"),
        lambda spec: spec["workerGroupSpecs"][0]["template"].update(sepc={}),
        lambda spec: _head(spec).update(command=["/bin/bash", "-lc", "--"]),
        lambda spec: _worker(spec).update(args=["--block"]),
        lambda spec: _worker(spec).pop("livenessProbe"),
        lambda spec: _head(spec)["readinessProbe"].update(exec={"command": ["wget"]}),
        lambda spec: _head(spec)["readinessProbe"].pop("httpGet"),
    ],
)
def test_a_ray_cluster_with_a_mistake_is_refused(spoil: Callable[[dict[str, Any]], object]) -> None:
    (cluster,) = documents(DOCKER / "kubernetes" / "raycluster.yaml")
    spoil(cluster["spec"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(cluster, CLUSTER)


def _running() -> Iterator[tuple[dict[str, str], list[dict[str, Any]]]]:
    """Labels and containers of all pods of the manifests, with what KubeRay adds to its own."""
    for document in (document for path in MANIFESTS for document in documents(path)):
        for pod in pods(document):
            containers, marks = pod["spec"]["containers"], pod["metadata"]["labels"]
            if document["kind"] == "RayCluster":
                marks = marks | labels(document["metadata"]["name"])
                containers[0].setdefault("ports", []).append({"name": METRICS_PORT})
            yield marks, containers


def test_the_monitors_find_the_ports_and_have_the_token() -> None:
    monitors = {one["metadata"]["name"]: one["spec"] for one in documents(DOCKER / "kubernetes" / "podmonitor.yaml")}
    assert list(monitors) == ["shapelode", "shapelode-ray"]
    found: dict[str, list[str]] = {name: [] for name in monitors}
    for name, spec in monitors.items():
        (endpoint,) = spec["podMetricsEndpoints"]
        for marks, containers in _running():
            if spec["selector"]["matchLabels"].items() <= marks.items():
                (one,) = (c for c in containers if endpoint["port"] in {port["name"] for port in c["ports"]})
                found[name].append(one["name"])
    assert found == {"shapelode": ["shapelode", "shapelode"], "shapelode-ray": ["ray-head", "ray-worker"]}
    (endpoint,) = monitors["shapelode"]["podMetricsEndpoints"]
    credentials = endpoint["authorization"]["credentials"]
    for containers in (containers for _, containers in _running()):
        for container in (one for one in containers if one["name"] == "shapelode"):
            (port,) = (one for one in container["ports"] if one["name"] == endpoint["port"])
            assert port["containerPort"] == load_config(env={}).metrics.port
            (token,) = (one["value"] for one in container["env"] if one["name"] == TOKEN_FILE)
            assert token == f"/run/secrets/{credentials['name']}/{credentials['key']}"


def test_nothing_is_scraped_without_the_token() -> None:
    for document in (document for path in MANIFESTS for document in documents(path)):
        for pod in pods(document):
            assert not {key for key in pod["metadata"].get("annotations", {}) if key.startswith("prometheus.io/")}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda spec: spec.update(podMetricEndpoints=[]),
        lambda spec: spec["podMetricsEndpoints"][0].update(port=9321),
        lambda spec: spec["podMetricsEndpoints"][0].update(bearerTokenFile="/token"),
        lambda spec: spec["podMetricsEndpoints"][0]["authorization"]["credentials"].pop("key"),
        lambda spec: spec["selector"].update(app="shapelode"),
    ],
)
def test_a_monitor_with_a_mistake_is_refused(spoil: Callable[[dict[str, Any]], object]) -> None:
    monitor, _ = documents(DOCKER / "kubernetes" / "podmonitor.yaml")
    spoil(monitor["spec"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(monitor, MONITOR)


def test_rays_version_is_the_pinned_one() -> None:
    (cluster,) = documents(DOCKER / "kubernetes" / "raycluster.yaml")
    assert cluster["spec"]["rayVersion"] == pins((ROOT / "constraints.txt").read_text())["ray"]
