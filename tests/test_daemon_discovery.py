from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon.discovery import NAME, Discovery, target_of


def groups(folder: Path) -> list[tuple[str, dict[str, str]]]:
    return [(one["targets"][0], one["labels"]) for one in json.loads((folder / NAME).read_text())]


def test_nodes_come_and_go_and_the_file_follows(tmp_path: Path) -> None:
    nodes = {"a" * 32: "10.0.0.1:5000"}
    with Discovery(tmp_path, "10.0.0.1:9321", lambda: nodes) as discovery:
        ray = {"job": "shapelode-ray", "part": "ray"}
        assert groups(tmp_path) == [
            ("10.0.0.1:9321", {"part": "daemon"}), ("10.0.0.1:5000", {**ray, "node": "a" * 8}),
        ]  # fmt: skip
        nodes["b" * 32] = "10.0.0.2:5000"
        del nodes["a" * 32]
        discovery.refresh()
        assert [target for target, _ in groups(tmp_path)] == ["10.0.0.1:9321", "10.0.0.2:5000"]
    assert not (tmp_path / NAME).exists() and list(tmp_path.iterdir()) == []


def test_it_is_written_only_when_something_changed(tmp_path: Path) -> None:
    with Discovery(tmp_path, "h:1", dict) as discovery:
        (tmp_path / NAME).write_text("by hand")
        discovery.refresh()
        assert (tmp_path / NAME).read_text() == "by hand"


def test_a_folder_that_can_not_be_written_is_told_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING", "shapelode.metrics"), Discovery(tmp_path / "none", "h:1", dict):
        pass
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://127.0.0.1:9321/metrics", "127.0.0.1:9321"),
        ("http://0.0.0.0:9321/metrics", "10.1.2.3:9321"),
        ("http://[::]:9321/metrics", "10.1.2.3:9321"),
        ("http://[::1]:9321/metrics", "[::1]:9321"),
    ],
)
def test_who_listens_everywhere_goes_by_the_address_of_its_node(url: str, target: str) -> None:
    assert target_of(url, lambda: "10.1.2.3") == target
