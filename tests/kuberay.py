"""What KubeRay takes for a `RayCluster`, as far as we use it.

Fields, types and what is required are those of its API `ray.io/v1` (ray-operator/apis/ray/v1/raycluster_types.go of
ray-project/kuberay); pod templates are left to Kubernetes' own schema. Fields that we do not use are not listed, so
that one that is misspelt is refused.
"""

from __future__ import annotations

from typing import Any

_COUNT = {"type": "integer", "minimum": 0}
_PARAMS = {"type": "object", "additionalProperties": {"type": "string"}}
_TEMPLATE = {"type": "object", "required": ["spec"], "properties": {"metadata": {}, "spec": {}}}


def _object(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "required": list(required), "properties": properties, "additionalProperties": False,
    }  # fmt: skip


_HEAD = _object(
    ("rayStartParams", "template"),
    rayStartParams=_PARAMS, template=_TEMPLATE | {"additionalProperties": False}, enableIngress={"type": "boolean"},
    serviceType={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
)  # fmt: skip
_WORKERS = _object(
    ("groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"),
    groupName={"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}, replicas=_COUNT, minReplicas=_COUNT,
    maxReplicas=_COUNT, numOfHosts=_COUNT, rayStartParams=_PARAMS,
    template=_TEMPLATE | {"additionalProperties": False},
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
