"""What the packages need is written down, each with its version."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from docker.requirements import requirements
from ops.audit import normal, pins

ROOT = Path(__file__).parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
EXTRAS = sorted(tomllib.loads(PYPROJECT)["project"]["optional-dependencies"])
OURS = ("daemon", "actors", "index", "recon", "ops")
# Extras that stand in the way of nobody who does without: FAISS is chosen, benchmarks are for developers.
OPTIONAL = {"faiss": "cpu", "playwright": "dev"}


@cache
def names(*extras: str) -> frozenset[str]:
    """Names of the packages that are needed with some extras."""
    return frozenset(normal(re.split(r"[\[<>=!~ ;]", line)[0]) for line in requirements(PYPROJECT, [*extras]))


@cache
def packages() -> Mapping[str, list[str]]:
    """Names of the packages that bring a module, by the module."""
    return {module: [normal(one) for one in brought] for module, brought in packages_distributions().items()}


def imported(source: str) -> Iterator[str]:
    """Modules that a source imports when it runs, by their first name."""
    kept = ast.parse(source)
    typing = [node for node in ast.walk(kept) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    only_typed = {id(inner) for node in typing for inner in ast.walk(node)}
    for node in ast.walk(kept):
        if id(node) in only_typed:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def unlisted(source: str) -> set[str]:
    """Modules a source imports that no listed package brings."""
    foreign = set(imported(source)) - set(sys.stdlib_module_names) - set(OURS)
    listed = {module: names(OPTIONAL[module]) if module in OPTIONAL else names() for module in foreign}
    return {module for module in foreign if not set(packages().get(module, [])) & listed[module]}


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_package_of_every_extra_is_pinned(extra: str) -> None:
    assert names(extra) > names()
    assert names(extra) - set(pins((ROOT / "constraints.txt").read_text())) == set()


def test_every_module_that_is_imported_is_of_a_listed_package() -> None:
    files = [path for folder in OURS for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts]
    assert len(files) > 100
    found = {str(path.relative_to(ROOT)): missing for path in files if (missing := unlisted(path.read_text()))}
    assert found == {}


def test_one_that_only_another_package_brings_would_be_found() -> None:
    assert unlisted("import numpy\nimport faiss\nfrom PIL import Image\nimport os") == set()
    assert unlisted("def f():\n    import yarl\nfrom tqdm.auto import tqdm") == {"yarl", "tqdm"}
