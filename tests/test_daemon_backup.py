"""Backups taken under load, and states made from them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from daemon import backup as module
from daemon.backup import MANIFEST, backup, read_manifest, restore
from index.library import open_library
from index.stream.batch import Batch
from index.vectors import VectorIndex
from ops.errors import StateError, StorageError
from ops.fsck import check_state, compare_states
from tests.batches import batch, sample, stream
from tests.disk import fill, tiny_disk
from tests.old_store import set_schema, write_schema_1
from tests.states import busy_state
from tests.test_index_ingest import feed


def quiet(step: str, done: int, total: int) -> None:
    assert 0 <= done <= total or step == "checking"


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return busy_state(tmp_path_factory.mktemp("busy"))


def nothing_else(folder: Path, *names: str) -> bool:
    return {path.name for path in folder.iterdir()} == set(names)


def test_a_restored_state_is_the_same_and_searchable_at_once(busy: Path, tmp_path: Path) -> None:
    steps: list[str] = []
    copied = backup(busy, tmp_path / "copy", lambda step, done, total: steps.append(step))
    assert copied.images == 322 and {"checking", "summing"} <= set(steps)
    assert restore(tmp_path / "copy", tmp_path / "state", quiet).images == 322
    assert compare_states(busy, tmp_path / "state") == []
    assert check_state(tmp_path / "state").findings == []
    fingerprint = open_library(tmp_path / "state").status().fingerprint
    assert len(VectorIndex.load(tmp_path / "state" / "vectors.faiss", fingerprint=fingerprint)) == 322
    assert nothing_else(tmp_path, "copy", "state") and nothing_else(tmp_path / "copy", "lmdb", MANIFEST)


_LOAD = """
import sys
from pathlib import Path
from tests.batches import open_ingest
from tests.test_daemon_backup import part
ingest = open_ingest(Path(sys.argv[1]), index_every=2)
number = 0
while not (Path(sys.argv[1]) / "enough").exists():
    ingest.commit(part(number))
    number += 1
    if number == 5:
        print("going", flush=True)
print(number, flush=True)
ingest.close()
"""


def part(number: int) -> Batch:
    """One batch of a stream without end."""
    return batch("a", [sample(index) for index in range(8 * number, 8 * number + 8)])


def test_a_backup_under_load_is_one_moment_from_which_the_stream_goes_on(tmp_path: Path) -> None:
    live = tmp_path / "live"
    with subprocess.Popen([sys.executable, "-c", _LOAD, str(live)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == "going\n"
        counts = [backup(live, tmp_path / f"copy{number}", quiet).images for number in range(3)]
        (live / "enough").touch()
        total = int(writer.stdout.readline())
    assert 40 <= counts[0] <= counts[1] <= counts[2] <= 8 * total and counts[0] < 8 * total
    for number, count in enumerate(counts):
        state = tmp_path / f"state{number}"
        restore(tmp_path / f"copy{number}", state, quiet)
        assert check_state(state).findings == []
        assert count % 8 == 0
        feed(state, [part(later) for later in range(count // 8, total)])
        assert compare_states(state, live) == []


def test_nothing_is_ever_overwritten(busy: Path, tmp_path: Path) -> None:
    backup(busy, tmp_path / "copy", quiet)
    before = (tmp_path / "copy" / MANIFEST).read_bytes()
    with pytest.raises(StateError, match="exists already; choose another name"):
        backup(busy, tmp_path / "copy", quiet)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "mine.txt").write_text("mine")
    with pytest.raises(StateError, match="is not empty; restore into a new"):
        restore(tmp_path / "copy", tmp_path / "state", quiet)
    assert nothing_else(tmp_path / "state", "mine.txt") and (tmp_path / "copy" / MANIFEST).read_bytes() == before


@pytest.mark.parametrize("place", [0.01, 0.5, 0.999])
def test_a_damaged_backup_is_refused_and_leaves_nothing(busy: Path, tmp_path: Path, place: float) -> None:
    backup(busy, tmp_path / "copy", quiet)
    data = tmp_path / "copy" / "lmdb" / "data.mdb"
    raw = bytearray(data.read_bytes())
    raw[int(len(raw) * place)] ^= 1
    data.write_bytes(raw)
    with pytest.raises(StateError, match="does not have its checksum"):
        restore(tmp_path / "copy", tmp_path / "state", quiet)
    assert nothing_else(tmp_path, "copy")


def test_a_state_that_does_not_pass_the_checker_makes_no_backup(
    busy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(busy, tmp_path / "broken")
    set_schema(tmp_path / "broken", 2)  # adds a field that no version knows, which is allowed
    backup(tmp_path / "broken", tmp_path / "fine", quiet)
    set_schema(tmp_path / "broken", 99)
    with pytest.raises(StateError, match="newer version"):
        backup(tmp_path / "broken", tmp_path / "copy", quiet)
    monkeypatch.setattr(module, "check_known", lambda schema, folder: None)
    with pytest.raises(StateError, match="does not pass the checker: it has schema 99"):
        backup(tmp_path / "broken", tmp_path / "copy", quiet)
    assert nothing_else(tmp_path, "broken", "fine")


def test_a_backup_of_an_older_version_is_restored_and_brought_up_to_date_by_the_next_run(tmp_path: Path) -> None:
    batches = stream("a", 96, 8)
    feed(tmp_path / "whole", batches)
    feed(tmp_path / "half", batches[:6])
    write_schema_1(tmp_path / "half", tmp_path / "old")
    backup(tmp_path / "old", tmp_path / "copy", quiet)
    assert read_manifest(tmp_path / "copy").schema == 1
    restore(tmp_path / "copy", tmp_path / "state", quiet)
    feed(tmp_path / "state", batches[6:])
    assert compare_states(tmp_path / "state", tmp_path / "whole") == []


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (None, "is no backup"),
        (b"{", "is no backup"),
        (b'{"format":9,"schema":2,"images":1,"bytes":1,"sha256":"","time":0}', "format 9; update"),
        (b'{"format":1,"schema":9,"images":1,"bytes":1,"sha256":"","time":0}', "newer version"),
    ],
)
def test_what_is_no_backup_is_refused_in_one_line(tmp_path: Path, raw: bytes | None, message: str) -> None:
    (tmp_path / "copy").mkdir()
    if raw is not None:
        (tmp_path / "copy" / MANIFEST).write_bytes(raw)
    with pytest.raises(StateError, match=message):
        restore(tmp_path / "copy", tmp_path / "state", quiet)
    assert nothing_else(tmp_path, "copy")


def test_a_full_disk_leaves_no_half_of_a_backup_or_a_state(busy: Path, tmp_path: Path) -> None:
    backup(busy, tmp_path / "copy", quiet)
    with tiny_disk(tmp_path / "disk", 4) as disk:
        ballast = fill(disk)
        with pytest.raises(StorageError, match="no space left"):
            backup(busy, disk / "copy", quiet)
        with pytest.raises(StorageError, match="no space left"):
            restore(tmp_path / "copy", disk / "state", quiet)
        assert nothing_else(disk, ballast.name)
