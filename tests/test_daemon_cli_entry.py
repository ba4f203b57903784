"""The command line: tables, JSON in the API's schema, one-line errors, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from daemon.cli import entry
from daemon.cli.app import app
from daemon.listing import page_of
from daemon.sights import Wanted, sights
from daemon.similar import SimilarShapes
from index.library import open_library
from ops.errors import ConfigError
from tests.library_factory import make_library

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_library(tmp_path / "state")


@pytest.fixture
def run(folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SHAPELODE_STATE", str(folder))
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments: str) -> tuple[int, str, str]:
        code = entry.run_command(arguments)
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("status",), ["14", "2 broken_image", "embedded"]),
        (("clusters",), ["too_few_views", "needs 16 images", "v2"]),
        (("clusters", "2"), ["000006", "640 x 480"]),
        (("shapes",), ["0.150", "0.300", "warm"]),
        (("shapes", "1"), ["v1", "v2"]),
        (("rejects",), ["a [bold] reason", "too_small"]),
        (("lineage", "2"), ["created"]),
        (("similar", "1"), ["form", "v1", "0.300"]),
        (("images", "1", "--azimuth", "180", "--since", "2023-01-01"), ["000003", "azimuth"]),
    ],
)
def test_people_get_tables(run: Run, arguments: tuple[str, ...], shown: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    for text in shown:
        assert text in out


def test_programs_get_the_librarys_summaries(run: Run, folder: Path) -> None:
    library = open_library(folder)
    expected: dict[tuple[str, ...], object] = {
        ("status",): library.status(),
        ("clusters", "--order", "id"): library.clusters(order="id"),
        ("clusters", "1"): library.members(1),
        ("shapes",): library.shapes(),
        ("rejects", "--reason", "too_small"): library.rejects(reason="too_small"),
        ("similar", "1", "--by", "look"): SimilarShapes(library).to_shape(1, by="look"),
        ("images", "1", "--azimuth", "180"): page_of(sights(library, 1, wanted=Wanted(180.0)), None, 50),
    }
    plain = {key: json.loads(msgspec.json.encode(value)) for key, value in expected.items()}
    library.close()
    for arguments, value in plain.items():
        code, out, _ = run(*arguments, "--json")
        assert code == 0
        assert json.loads(out) == value, arguments


@pytest.mark.parametrize("command", ["clusters", "clusters 1", "shapes", "shapes 1", "rejects", "lineage"])
def test_lists_are_paged_by_cursor(run: Run, command: str) -> None:
    whole = json.loads(run(*command.split(), "--json")[1])["items"]
    items: list[object] = []
    after: list[str] = []
    while True:
        page = json.loads(run(*command.split(), "--json", "--limit", "1", *after)[1])
        items += page["items"]
        if page["next"] is None:
            break
        after = ["--after", page["next"]]
    assert items == whole and len(items) > 1


def test_export_writes_what_was_asked_for(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "chair.glb"
    code, out, _ = run("export", "1", "--format", "glb", "-o", str(target), "--json")
    assert code == 0 and target.read_bytes()[:4] == b"glTF"
    assert json.loads(out) == {"shape": 1, "version": 2, "file": str(target), "bytes": target.stat().st_size}


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("status", "--state", "/nowhere"), 1, "no Shapelode state directory"),
        (("clusters", "99"), 1, "there is no cluster 99"),
        (("export", "3"), 1, "no shape yet"),
        (("export", "1", "-o", "/nowhere/x.glb"), 2, "cannot write"),
        (("query", "/nowhere.jpg"), 2, "cannot read"),
        (("shapes", "--after", "???"), 2, "bad cursor"),
        (("similar", "chair.blend"), 2, "cannot read chair.blend"),
        (("images", "1", "--since", "soon"), 2, "'soon' is not a time"),
        (("shapes", "--limit", "0"), 2, "limit must be"),
        (("shapes", "--nonsense"), 2, "--nonsense"),
        (("export", "1", "--format", "fbx"), 2, "fbx"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_failures_are_one_line_and_a_code(run: Run, arguments: tuple[str, ...], code: int, text: str) -> None:
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    assert err.startswith("shapelode: error: ") and err.count("\n") == 1
    assert text in err


def test_messages_of_several_lines_come_out_as_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise ConfigError("first\n  second")

    monkeypatch.setattr("index.library.open_library", fail)
    assert run("status") == (2, "", "shapelode: error: first second\n")


def test_an_interrupt_is_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("index.library.open_library", interrupt)
    assert run("status") == (130, "", "")


def test_a_bare_call_and_every_command_have_help(run: Run) -> None:
    assert "Commands:" in run()[1]
    names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    assert set(names) >= {
        "similar",
        "images",
        "status",
        "clusters",
        "shapes",
        "query",
        "export",
        "rejects",
        "lineage",
        "serve",
    }
    for name in names:
        code, out, _ = run(name, "--help")
        assert code == 0 and "Example" in out, name


def test_help_is_quick_and_loads_nothing_heavy(folder: Path) -> None:
    root = Path(__file__).parents[1]
    script = (
        "import sys; from daemon.cli.entry import run_command; run_command(['status', '--help']);"
        "print([m for m in ('torch', 'faiss', 'ray', 'fastapi', 'trimesh') if m in sys.modules])"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(root)})  # fmt: skip
    assert done.stdout.endswith("[]\n")
    assert time.monotonic() - start < 5  # about 0.4 s; far above it on a busy machine


def test_the_daemon_itself_never_loads_torch(folder: Path) -> None:
    """Only actors that compute do, so that a daemon is up seconds sooner."""
    root = Path(__file__).parents[1]
    script = "import sys, daemon.run; print([m for m in ('torch', 'timm', 'skimage', 'trimesh') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(root)})  # fmt: skip
    assert done.stdout == "[]\n"


def test_a_reader_that_leaves_early_is_no_error(folder: Path) -> None:
    root = Path(__file__).parents[1]
    command = f"{sys.executable} -m daemon.cli rejects --json --state {folder} | true"
    done = subprocess.run(["bash", "-c", command], cwd=root, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(root)})  # fmt: skip
    assert done.stderr == ""
