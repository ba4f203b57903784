"""The registry of clusterers."""

from __future__ import annotations

import pytest

from index.clustering import make_clusterer
from index.clustering.dbstream import DBStream
from index.clustering.online_linkage import OnlineLinkage
from ops.errors import ConfigError


def test_makes_clusterers_by_name_with_parameters() -> None:
    linkage = make_clusterer("linkage", z=2.5)
    assert isinstance(linkage, OnlineLinkage) and linkage.z == 2.5
    assert isinstance(make_clusterer("dbstream"), DBStream)


def test_refuses_unknown_names_and_parameters() -> None:
    with pytest.raises(ConfigError, match=r"choose one of dbstream, linkage"):
        make_clusterer("kmeans")
    with pytest.raises(ConfigError, match="colour"):
        make_clusterer("linkage", colour=1)


@pytest.mark.parametrize("params", [{"same": 0.0}, {"same": 1.1}, {"growth": 0.0}, {"min_size": 0}])
def test_refuses_impossible_parameters(params: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        make_clusterer("linkage", **params)
