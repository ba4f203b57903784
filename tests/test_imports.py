"""What each package imports of the others is what the contributors' page allows it, no more and no less."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = frozenset({"daemon", "actors", "index", "recon", "ops"})
ROW = re.compile(r"^\| `(\w+)/` \|.*\| (.*) \|$", re.M)


def imported(source: str) -> Iterator[str]:
    """Our packages that a module imports; of `ops`, its modules."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"ops.{alias.name}" for alias in node.names] if node.module == "ops" else [node.module]
        for name in names:
            package, _, rest = name.partition(".")
            if package in PACKAGES:
                yield f"ops.{rest.partition('.')[0]}" if package == "ops" else package


def test_what_is_imported_is_found() -> None:
    source = "import index.library\nfrom ops import faults, metrics\ndef f():\n    from ops.bench import x\nimport re"
    assert [*imported(source)] == ["index", "ops.faults", "ops.metrics", "ops.bench"]


@pytest.mark.parametrize("package", ["actors", "index", "recon"])
def test_packages_import_what_they_may(package: str) -> None:
    rows = dict(ROW.findall((ROOT / "docs" / "contributing.md").read_text()))
    found = {name for path in (ROOT / package).rglob("*.py") for name in imported(path.read_text())}
    assert found - {package} == set(re.findall(r"`([\w.]+)`", rows[package]))


def test_only_the_benchmarks_of_ops_know_the_daemon() -> None:
    found = {
        (path.relative_to(ROOT).parts[1], name)
        for path in (ROOT / "ops").rglob("*.py")
        for name in imported(path.read_text())
        if not name.startswith("ops.")
    }
    assert {part for part, name in found if name in ("daemon", "actors", "recon")} == {"bench"}
    assert {part for part, name in found if name == "index"} == {"bench", "train"}
