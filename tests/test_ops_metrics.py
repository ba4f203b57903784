from __future__ import annotations

import re
from pathlib import Path

from ops import metrics

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "metrics.md"
UNITS = ("total", "seconds", "bytes", "ratio", "info", "images", "vectors", "jobs", "clusters", "batches", "shards")
FLAGS = {"shapelode_ready"}
LABELS = {
    "backbone", "cause", "clusterer", "device", "kind", "outcome", "process", "reason", "route", "server", "stage",
    "start", "state", "status", "version", "why",
}  # fmt: skip


def test_every_name_ends_with_a_unit() -> None:
    names = {one.name for one in metrics.definitions()} - FLAGS
    assert len(names) > 30
    assert [name for name in sorted(names) if name.rpartition("_")[2] not in UNITS] == []


def test_each_is_defined_once_and_registered_with_help() -> None:
    names = [one.name for one in metrics.definitions()]
    assert len(set(names)) == len(names)
    registered = {family.name for family in metrics.REGISTRY.collect()}
    assert registered == {name.removesuffix("_total") for name in names}
    assert all(one.text.endswith(".") for one in metrics.definitions())


def test_no_label_can_take_more_than_a_few_values() -> None:
    assert {label for one in metrics.definitions() for label in one.labels} == LABELS


def test_every_reason_has_a_series_from_the_start() -> None:
    found = set()
    for package in ("daemon", "actors", "index", "ops"):
        for path in (ROOT / package).rglob("*.py"):
            found |= set(re.findall(r'(?:RejectError\(|^    reason = |^TORN = )"([a-z_]+)"', path.read_text(), re.M))
    assert found == set(metrics.REASONS) and list(metrics.REASONS) == sorted(metrics.REASONS)
    assert all(
        metrics.REGISTRY.get_sample_value("shapelode_rejects_total", {"reason": one}) is not None for one in found
    )


def test_the_page_is_what_the_definitions_say() -> None:
    table = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    assert table == list(metrics.markdown()), "regenerate the table with `python -m ops.metrics`"
