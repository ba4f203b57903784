from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from index.lock import FileLock
from ops.errors import StateBusyError, StateError


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with FileLock(tmp_path / "new" / "x.lock"):
        code = "import sys; from pathlib import Path; from index.lock import FileLock; FileLock(Path(sys.argv[1]))"
        found = subprocess.run([sys.executable, "-c", code, str(tmp_path / "new" / "x.lock")], capture_output=True)
        assert found.returncode != 0 and b"in use by another daemon (process" in found.stderr
    FileLock(tmp_path / "new" / "x.lock").release()


def test_waiting_gets_the_lock_once_it_is_free(tmp_path: Path) -> None:
    first = FileLock(tmp_path / "x.lock")
    timer = threading.Timer(0.3, first.release)
    timer.start()
    with FileLock(tmp_path / "x.lock", wait_s=30.0):
        assert not timer.is_alive() or timer.finished.is_set()
    timer.join()


def test_in_one_process_too(tmp_path: Path) -> None:
    with FileLock(tmp_path / "x.lock"), pytest.raises(StateBusyError):
        FileLock(tmp_path / "x.lock")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot write"):
        FileLock(tmp_path / "file" / "x.lock")
