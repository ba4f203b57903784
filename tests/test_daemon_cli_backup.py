from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.cli import entry
from index.lock import FileLock
from index.store import SCHEMA
from tests.old_store import write_schema_1
from tests.states import busy_state
from tests.test_index_ingest import feed

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return busy_state(tmp_path_factory.mktemp("busy"))


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = entry.run_command([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err.strip()

    return call


def test_there_and_back(run: Run, busy: Path, tmp_path: Path) -> None:
    code, out, _ = run("backup", tmp_path / "copy", "--state", busy)
    assert code == 0 and out.startswith(f"{tmp_path / 'copy'}: 322 images, ") and out.endswith("checked\n")
    code, out, _ = run("restore", tmp_path / "copy", "--state", tmp_path / "state", "--json")
    assert code == 0 and json.loads(out)["images"] == 322
    assert run("fsck", "--state", tmp_path / "state")[0] == 0


def test_failures_are_one_line(run: Run, busy: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (("backup", tmp_path, "--state", busy), "exists already"),
        (("backup", tmp_path / "copy", "--state", tmp_path / "none"), "no Shapelode state directory"),
        (("restore", tmp_path, "--state", tmp_path / "new"), "is no backup"),
        (("migrate", "--state", tmp_path / "none"), "no Shapelode state directory"),
    ):
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n")) == (1, "", 0) and message in err
    assert list(tmp_path.iterdir()) == []


def test_migrate_brings_an_older_library_up_to_date_once_and_not_beside_a_daemon(run: Run, tmp_path: Path) -> None:
    feed(tmp_path / "new", [])
    write_schema_1(tmp_path / "new", tmp_path / "old")
    assert "shapelode migrate --state" in run("status", "--state", tmp_path / "old")[2]
    with FileLock(tmp_path / "old" / "daemon.lock"):
        code, _, err = run("migrate", "--state", tmp_path / "old")
        assert code == 1 and f"in use by another daemon (process {os.getpid()})" in err
    assert run("migrate", "--state", tmp_path / "old")[1].endswith(f"was brought from schema 1 to {SCHEMA}\n")
    assert run("status", "--state", tmp_path / "old")[0] == 0
    assert run("migrate", "--state", tmp_path / "old")[1].endswith("is up to date\n")
