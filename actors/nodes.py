"""The nodes of the Ray cluster, as those that scrape them need to know them."""

from __future__ import annotations

import ray
from ray.util import get_node_ip_address


def node_address() -> str:
    """Address by which other nodes reach this one."""
    return str(get_node_ip_address())  # type: ignore[no-untyped-call]


def metric_addresses() -> dict[str, str]:
    """Where Ray's agent on each living node answers with the node's metrics: id of the node -> ``host:port``."""
    return {
        str(node["NodeID"]): f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}"
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"] and node.get("MetricsExportPort")
    }
