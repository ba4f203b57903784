"""What KubeRay takes for a `RayCluster`, as far as we use it.

Fields, types and what is required are those of its API `ray.io/v1` (ray-operator/apis/ray/v1/raycluster_types.go of
ray-project/kuberay); pod templates are left to Kubernetes' own schema. Fields that we do not use are not listed, so
that one that is misspelt is refused. Of Ray's container, the first of a pod, more is asked: KubeRay makes its command
and adds what it finds missing, and what it makes of some settings does not run (controllers/ray/common/pod.go there).
"""

from __future__ import annotations

from typing import Any

_COUNT = {"type": "integer", "minimum": 0}
_PARAMS = {"type": "object", "additionalProperties": {"type": "string"}}
# A command or arguments of our own would be put before `ray start` with `&&`. Without probes KubeRay's own are added,
# which may call wget; those that need no program in the image are asked for instead.
_PROBE = {"type": "object", "required": ["httpGet"], "not": {"required": ["exec"]}}
_RAY = {
    "type": "object", "required": ["livenessProbe", "readinessProbe"],
    "properties": {"command": False, "args": False, "livenessProbe": _PROBE, "readinessProbe": _PROBE},
}  # fmt: skip
_POD = {
    "type": "object", "required": ["containers"],
    "properties": {"containers": {"type": "array", "minItems": 1, "prefixItems": [_RAY]}},
}  # fmt: skip
_TEMPLATE = {
    "type": "object", "required": ["spec"], "properties": {"metadata": {}, "spec": _POD}, "additionalProperties": False,
}  # fmt: skip
# What KubeRay gives every pod of a cluster, and Ray's container unless it has a port of that name.
METRICS_PORT = "metrics"


def labels(cluster: str) -> dict[str, str]:
    """Labels that KubeRay puts on the pods of a cluster, by its name."""
    return {"ray.io/cluster": cluster, "ray.io/is-ray-node": "yes"}


def _object(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "required": list(required), "properties": properties, "additionalProperties": False,
    }  # fmt: skip


_HEAD = _object(
    ("rayStartParams", "template"),
    rayStartParams=_PARAMS, template=_TEMPLATE, enableIngress={"type": "boolean"},
    serviceType={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
)  # fmt: skip
_WORKERS = _object(
    ("groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"),
    groupName={"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}, replicas=_COUNT, minReplicas=_COUNT,
    maxReplicas=_COUNT, numOfHosts=_COUNT, rayStartParams=_PARAMS, template=_TEMPLATE,
)  # fmt: skip
_SPEC = _object(
    ("headGroupSpec",),
    rayVersion={"type": "string"}, enableInTreeAutoscaling={"type": "boolean"}, suspend={"type": "boolean"},
    headGroupSpec=_HEAD, workerGroupSpecs={"type": "array", "items": _WORKERS},
)  # fmt: skip

CLUSTER = _object(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "ray.io/v1"}, kind={"const": "RayCluster"}, metadata={"type": "object", "required": ["name"]},
    spec=_SPEC,
)  # fmt: skip
