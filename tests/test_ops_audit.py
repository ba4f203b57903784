from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ops import audit as module
from ops.audit import CONSTRAINTS, audit, deviations, installed, pins

PINNED = "# a list\nAlpha_Beta==1.0\ngamma==2.0.post1 ; python_version > '3'\n\n"


def answering(monkeypatch: pytest.MonkeyPatch, stdout: str, stderr: str = "") -> list[list[str]]:
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, stdout, stderr)

    monkeypatch.setattr(module.subprocess, "run", run)
    return asked


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "installed", lambda: {"alpha-beta": "1.0"})
    path = tmp_path / "constraints.txt"
    path.write_text(PINNED)
    return path


def test_the_list_is_read_as_pip_reads_it() -> None:
    assert pins(PINNED) == {"alpha-beta": "1.0", "gamma": "2.0.post1"}
    assert len(pins(CONSTRAINTS.read_text())) > 100 and "numpy" in installed()


def test_what_differs_is_named() -> None:
    assert deviations({"alpha-beta": "1.0"}, pins(PINNED)) == []
    assert deviations({"alpha-beta": "1.1", "new": "3"}, pins(PINNED)) == [
        "alpha-beta 1.1 is installed, 1.0 is pinned",
        "new 3 is installed, which is not in the list of pinned packages",
    ]


def test_a_closed_network_is_no_clean_audit_and_says_so(listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    answering(monkeypatch, "", "Traceback\nConnectionError: no route")
    assert audit(told.append, listed) == 0
    assert told[0] == "NOT checked for known vulnerabilities: pip-audit gave no answer: ConnectionError: no route"
    assert "checked instead" in told[1]
    monkeypatch.setattr(module, "installed", lambda: {"gamma": "9"})
    assert audit(told.append, listed) == 1 and "gamma 9 is installed" in told[-2]


@pytest.mark.parametrize(("flaws", "code"), [([], 0), ([{"id": "PYSEC-1"}], 1)])
def test_an_answer_is_what_counts(listed: Path, monkeypatch: pytest.MonkeyPatch, flaws: list[Any], code: int) -> None:
    told: list[str] = []
    answer = {"dependencies": [{"name": "gamma", "version": "2.0.post1", "vulns": flaws}]}
    asked = answering(monkeypatch, json.dumps(answer))
    assert audit(told.append, listed) == code
    assert told[0].startswith("pip-audit checked the 2 packages")
    assert ("gamma 2.0.post1: PYSEC-1" in told) == bool(flaws)
    assert str(listed) in asked[0]
