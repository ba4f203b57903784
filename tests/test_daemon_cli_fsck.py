from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon.cli.entry import run_command
from ops.fsck.check import CHECKS
from tests.editor import Editor
from tests.states import busy_state


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return busy_state(tmp_path / "[state]")


def test_a_sound_state_is_clean_and_the_code_is_0(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["fsck", "--state", str(state)]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and "[state] is clean: 322 images" in out


def test_what_is_wrong_is_said_with_what_to_do_and_the_code_is_1(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    editor = Editor(state)
    for key in editor.keys("crops")[:30]:
        editor.set("crops", key, None)
    editor.close()
    assert run_command(["fsck", "--state", str(state)]) == 1
    out = capsys.readouterr().out
    assert "error  crops and masks: image 0 has no entry in crops" in out and "restore a backup" in out
    assert "and 10 more findings" in out and "is damaged" in out


def test_programs_get_the_report(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["fsck", "--state", str(state), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["findings"] == [] and report["checks"] == ["records", *CHECKS]
    (state / "vectors.faiss").write_bytes(b"garbage")
    assert run_command(["fsck", "--state", str(state), "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["check"], finding["severity"]) == ("FAISS index", "error") and "delete" in finding["todo"]


def test_a_folder_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["fsck", "--state", str(tmp_path)]) == 1
    assert (
        capsys.readouterr().err
        == f"shapelode: error: {tmp_path} is no Shapelode state directory; name one with --state\n"
    )
