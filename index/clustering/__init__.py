"""Online clustering of descriptors, behind one interface."""

from __future__ import annotations

from inspect import signature
from typing import Any

from index.clustering.base import Assignments, LineageEvent, OnlineClusterer, unit_rows
from index.clustering.dbstream import DBStream
from index.clustering.online_linkage import OnlineLinkage
from index.records import OUTLIER, MicroRecord
from ops.errors import ConfigError

CLUSTERERS: dict[str, type[OnlineClusterer]] = {"linkage": OnlineLinkage, "dbstream": DBStream}
"""Every clusterer by the name it is chosen by."""


def make_clusterer(name: str, **params: Any) -> OnlineClusterer:
    """Makes an empty clusterer.

    Args:
        name: one of `CLUSTERERS`.
        params: its parameters; those left out keep their defaults.

    Raises:
        ConfigError: unknown name, or a parameter it does not take.
    """
    if name not in CLUSTERERS:
        raise ConfigError(f"unknown clusterer {name!r}: choose one of {', '.join(sorted(CLUSTERERS))}")
    try:
        return CLUSTERERS[name](**params)
    except TypeError as error:
        raise ConfigError(f"clusterer {name}: {error}") from error


def takes_encoder(name: str) -> bool:
    """Whether a clusterer has a use for knowing what made the descriptors, as its parameter `encoder`."""
    return name in CLUSTERERS and "encoder" in signature(CLUSTERERS[name].__init__).parameters


__all__ = [
    "CLUSTERERS",
    "OUTLIER",
    "Assignments",
    "LineageEvent",
    "MicroRecord",
    "OnlineClusterer",
    "make_clusterer",
    "takes_encoder",
    "unit_rows",
]
