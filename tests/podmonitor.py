"""What the Prometheus operator takes for a `PodMonitor`, as far as we use it.

Fields and types are those of its API `monitoring.coreos.com/v1` (pkg/apis/monitoring/v1 of
prometheus-operator/prometheus-operator). Fields that we do not use are not listed, so that one that is misspelt is
refused.
"""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string", "minLength": 1}
_LABELS = {"type": "object", "minProperties": 1, "additionalProperties": _TEXT}


def _object(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "required": list(required), "properties": properties, "additionalProperties": False,
    }  # fmt: skip


_AUTHORIZATION = _object(
    ("credentials",), type={"const": "Bearer"}, credentials=_object(("name", "key"), name=_TEXT, key=_TEXT)
)
_RELABELING = _object(("targetLabel", "replacement"), targetLabel=_TEXT, replacement=_TEXT)
_ENDPOINT = _object(
    ("port",),
    port=_TEXT, path=_TEXT, interval={"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"},
    scheme={"enum": ["http", "https"]}, authorization=_AUTHORIZATION,
    relabelings={"type": "array", "items": _RELABELING},
)  # fmt: skip
_SPEC = _object(
    ("selector", "podMetricsEndpoints"),
    jobLabel=_TEXT, selector=_object(("matchLabels",), matchLabels=_LABELS),
    podMetricsEndpoints={"type": "array", "minItems": 1, "items": _ENDPOINT},
)  # fmt: skip

MONITOR = _object(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "monitoring.coreos.com/v1"}, kind={"const": "PodMonitor"},
    metadata={"type": "object", "required": ["name"]}, spec=_SPEC,
)  # fmt: skip
