"""No space and I/O errors at each step that writes: it is tried again, as the daemon does, and nothing shows of it."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from daemon.cli import entry
from index.ingest import Ingest
from index.lock import FileLock
from ops.bench.kills import writer
from ops.bench.kills.stream import write_stream
from ops.errors import StateError, StorageError
from ops.faults import Fault, Plan, arm, fired
from ops.fsck import check_state, compare_states
from tests.disk import tiny_disk
from tests.states import busy_state

STORE_POINTS = (
    "commit.before", "cluster.before", "cluster.after", "commit.during", "reject.before", "reject.during",
    "publish.before", "publish.during", "fail.before", "fail.during",
)  # fmt: skip
INDEX_POINTS = ("index.write", "index.rename")


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    arm(None)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_stream(tmp_path_factory.mktemp("stream"), shards=3, per_shard=40)


@pytest.fixture(scope="module")
def whole(shards: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("whole")
    mine(state, shards)
    assert check_state(state).findings == []
    return state


class Persistent:
    """A writer that is asked again when its disk fails; remembers why."""

    failures: list[str]

    def __init__(self, *arguments: Any) -> None:
        self._ingest = Ingest(*arguments)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._call, getattr(self._ingest, name))

    def _call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        while True:
            try:
                return method(*arguments)
            except StorageError as error:
                self.failures.append(error.cause)


def mine(state: Path, shards: list[str]) -> None:
    writer.mine(state, shards, 6, lambda _: None)


@pytest.mark.parametrize("point", STORE_POINTS)
def test_a_write_that_fails_is_undone_and_done_again(
    whole: Path, shards: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    monkeypatch.setattr(writer, "Ingest", Persistent)
    monkeypatch.setattr(Persistent, "failures", [], raising=False)
    numbers = (errno.EIO, errno.ENOSPC, errno.EDQUOT)
    faults = tuple(Fault(point, "os_error", nth=nth, number=number) for nth, number in enumerate(numbers, 1))
    arm(Plan(str(tmp_path / "fired"), faults))
    mine(tmp_path / "state", shards)
    assert len(fired(tmp_path / "fired")) == 3
    assert Persistent.failures == ["io_error", "no_space", "no_space"]
    assert check_state(tmp_path / "state").findings == []
    assert compare_states(whole, tmp_path / "state") == []


@pytest.mark.parametrize("point", INDEX_POINTS)
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_an_index_that_is_never_saved_holds_up_nothing(
    whole: Path, shards: list[str], tmp_path: Path, point: str, number: int
) -> None:
    arm(Plan(str(tmp_path / "fired"), (Fault(point, "os_error", number=number, times=1000),)))
    mine(tmp_path / "state", shards)
    assert len(fired(tmp_path / "fired")) > 10
    assert not list((tmp_path / "state").glob("vectors.faiss*"))
    assert compare_states(whole, tmp_path / "state") == []
    arm(None)
    mine(tmp_path / "state", shards)
    assert check_state(tmp_path / "state").findings == []


def test_a_read_only_volume_is_one_line_for_the_writer_and_no_matter_to_readers(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with tiny_disk(tmp_path / "disk", 32) as disk:
        state = str(shutil.copytree(busy_state(tmp_path / "state"), disk / "state"))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(StateError, match=f"cannot write to the state directory {state}: Read-only file system"):
            FileLock(Path(state) / "daemon.lock")  # the first thing a daemon does
        for command in (["status"], ["fsck"], ["backup", str(tmp_path / "copy")]):
            assert entry.run_command([*command, "--state", state]) == 0
        assert entry.run_command(["migrate", "--state", state]) == 1
        assert capfd.readouterr().err.endswith("Read-only file system\n")
