"""The map that grows, and disks that are full, failing or read-only."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import lmdb
import pytest

from index import store as store_module
from index.environment import is_storage_failure, storage_error
from index.store import Store, Transaction
from index.tables import VECTORS
from ops.errors import StateError, StorageError
from tests.disk import fill, tiny_disk
from tests.waiting import eventually

MIB = 2**20
LIMIT_GIB = 64 / 1024


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_START_BYTES", MIB)


@pytest.fixture
def store(tmp_path: Path, small: None) -> Iterator[Store]:
    store = Store(tmp_path, readonly=False, map_size_gib=LIMIT_GIB)
    yield store
    store.close()


def put(txn: Transaction, start: int, count: int, size: int = 4000) -> None:
    for number in range(start, start + count):
        txn.put(VECTORS, number, os.urandom(size))


def test_a_full_map_grows_and_the_work_is_done_once(store: Store) -> None:
    runs: list[int] = []
    undone: list[int] = []
    assert store.map_bytes() == MIB

    def work(txn: Transaction) -> int:
        runs.append(txn.count(VECTORS))
        put(txn, 0, 1000)
        return txn.count(VECTORS)

    assert store.transact(work, undone=lambda: undone.append(1)) == 1000
    assert len(runs) == len(undone) + 1 > 2 and set(runs) == {0}
    assert store.map_bytes() >= 4 * MIB


def test_a_failure_that_is_no_full_map_is_not_tried_again(store: Store) -> None:
    undone: list[int] = []

    def work(txn: Transaction) -> None:
        put(txn, 0, 1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.transact(work, undone=lambda: undone.append(1))
    with store.read() as txn:
        assert (undone, txn.count(VECTORS)) == ([1], 0)


def test_beyond_its_limit_it_says_what_to_do_and_keeps_what_it_had(tmp_path: Path, small: None) -> None:
    store = Store(tmp_path, readonly=False, map_size_gib=2 / 1024)
    store.transact(lambda txn: put(txn, 0, 10))
    with pytest.raises(StateError, match=r"raise store\.map_size_gib"):
        store.transact(lambda txn: put(txn, 10, 2000))
    with store.read() as txn:
        assert txn.count(VECTORS) == 10
    store.close()
    larger = Store(tmp_path, readonly=False, map_size_gib=LIMIT_GIB)
    larger.transact(lambda txn: put(txn, 10, 2000))
    larger.close()


_READER = """
import sys
from pathlib import Path
from index.store import Store
from index.tables import VECTORS
store = Store(Path(sys.argv[1]), readonly=True)
for _ in sys.stdin:
    with store.read() as txn:
        print(txn.count(VECTORS), store.map_bytes(), flush=True)
"""


def test_a_reader_in_another_process_adopts_the_new_size(store: Store, tmp_path: Path) -> None:
    store.transact(lambda txn: put(txn, 0, 10))
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdin is not None and reader.stdout is not None

    def ask() -> tuple[int, int]:
        assert reader.stdin is not None and reader.stdout is not None
        reader.stdin.write("\n")
        reader.stdin.flush()
        count, size = reader.stdout.readline().split()
        return int(count), int(size)

    assert ask() == (10, MIB)
    store.transact(lambda txn: put(txn, 10, 2000))
    assert ask() == (2010, store.map_bytes()) and store.map_bytes() > MIB
    reader.communicate(timeout=30)


def test_a_writer_adopts_what_another_writer_grew(store: Store, tmp_path: Path) -> None:
    store.transact(lambda txn: put(txn, 0, 10))
    script = (
        "import sys; from pathlib import Path; from index.store import Store; from tests.test_index_environment "
        "import put; s = Store(Path(sys.argv[1]), readonly=False); s.transact(lambda t: put(t, 10, 2000)); s.close()"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)
    store.transact(lambda txn: put(txn, 5000, 1))
    with store.read() as txn:
        assert txn.count(VECTORS) == 2011


def test_many_threads_read_on_while_another_process_grows_the_map(small: None, tmp_path: Path) -> None:
    store = Store(tmp_path, readonly=False)
    store.transact(lambda txn: put(txn, 0, 10))
    store.close()
    reader = Store(tmp_path, readonly=True)
    ended, errors, sizes, counts = Event(), [], set(), {0}

    def read() -> None:
        try:
            while not ended.is_set():
                with reader.read() as txn:
                    found = list(txn.values(VECTORS))
                assert all(len(value) == 4000 for value in found)
                sizes.add(reader.map_bytes())
                counts.add(len(found))
        except BaseException as error:
            errors.append(error)

    script = (
        "import sys; from pathlib import Path; from index.store import Store; from tests.test_index_environment "
        "import put; s = Store(Path(sys.argv[1]), readonly=False)\n"
        "for start in range(10, 2010, 100): s.transact(lambda t: put(t, start, 100)); print(flush=True); input()"
    )
    pipe = subprocess.PIPE
    threads = [Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdin=pipe, stdout=pipe) as writer:
            assert writer.stdin is not None and writer.stdout is not None
            for step, _ in enumerate(writer.stdout, start=1):
                eventually(lambda: bool(errors) or 10 + 100 * step in counts, "a reader to see the step")  # noqa: B023
                writer.stdin.write(b"\n")
                writer.stdin.flush()
    finally:
        ended.set()
    for thread in threads:
        thread.join(60)
    assert errors == [] and writer.returncode == 0
    assert step == 20 and len(sizes) >= 4
    with reader.read() as txn:
        assert txn.count(VECTORS) == 2010
    reader.close()


_KILLED = """
import os, signal, sys
from pathlib import Path
from index.store import Store
with Store(Path(sys.argv[1]), readonly=True).read() as txn:
    txn.counters()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("freed", [False, True])
def test_a_reader_that_was_killed_does_not_make_the_store_grow_for_ever(
    store: Store, tmp_path: Path, freed: bool
) -> None:
    store.transact(lambda txn: put(txn, 0, 10))
    assert subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)]).returncode == -9
    if freed:
        assert store.forget_dead_readers() == 1
    for _ in range(15):
        store.transact(lambda txn: put(txn, 0, 10))
    assert (store.size_bytes() < MIB // 3) == freed


def test_a_full_map_frees_what_killed_readers_hold_before_anything_else(store: Store, tmp_path: Path) -> None:
    store.transact(lambda txn: put(txn, 0, 10))
    assert subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)]).returncode == -9
    for _ in range(200):
        store.transact(lambda txn: put(txn, 0, 10))
    assert store.map_bytes() == 2 * MIB and store.size_bytes() < 2 * MIB


_LIMITED = """
import os, resource, signal, sys
from pathlib import Path
from index.store import Store
from index.tables import VECTORS
from ops.errors import StorageError
from tests.test_index_environment import put
store = Store(Path(sys.argv[1]), readonly=False)
store.transact(lambda txn: put(txn, 0, 50))
size = (Path(sys.argv[1]) / "lmdb" / "data.mdb").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100_000, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        store.transact(lambda txn: put(txn, 50, 500))
    except StorageError as error:
        print(error.cause)
    with store.read() as txn:
        print(txn.count(VECTORS))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.transact(lambda txn: put(txn, 50, 500))
store.close()
again = Store(Path(sys.argv[1]), readonly=True)
with again.read() as txn:
    print(txn.count(VECTORS), sum(len(value) for value in txn.values(VECTORS)))
"""


def test_a_file_that_may_not_grow_loses_nothing_and_goes_on(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _LIMITED, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    cause, kept, *rest = done.stdout.split()
    # LMDB tells a write that was cut short as an I/O error; only where the disk is scarce too is it no space.
    assert cause in ("io_error", "no_space")
    assert [kept, *rest] == ["50", cause, "50", "550", str(550 * 4000)]


def test_a_full_disk_is_told_as_such_and_the_store_goes_on_once_there_is_space(tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk", 8) as disk:
        store = Store(disk, readonly=False)
        store.transact(lambda txn: put(txn, 0, 50))
        ballast = fill(disk)
        for _ in range(2):
            with pytest.raises(StorageError, match=r"no space left for .*; free some space") as caught:
                store.transact(lambda txn: put(txn, 50, 500))
            assert caught.value.cause == "no_space"
            with store.read() as txn:
                assert txn.count(VECTORS) == 50
        ballast.unlink()
        store.transact(lambda txn: put(txn, 50, 500))
        with store.read() as txn:
            assert txn.count(VECTORS) == 550
        store.close()


def test_opening_on_a_full_disk_is_an_error_not_a_crash(tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk", 2) as disk:
        ballast = fill(disk)
        with pytest.raises(StorageError, match="no space left"):
            Store(disk, readonly=False)
        ballast.unlink()
        store = Store(disk, readonly=False)
        store.transact(lambda txn: put(txn, 0, 1))
        store.close()
        (disk / "lmdb" / "lock.mdb").unlink()
        fill(disk)
        with pytest.raises(StorageError, match="no space left"):
            Store(disk, readonly=True)


def test_a_read_only_volume_can_be_read_and_refuses_a_writer(tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk", 8) as disk:
        store = Store(disk, readonly=False)
        store.transact(lambda txn: put(txn, 0, 10))
        store.close()
        (disk / "lmdb" / "lock.mdb").unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        reader = Store(disk, readonly=True)
        with reader.read() as txn:
            assert txn.count(VECTORS) == 10
        reader.close()
        with pytest.raises(StateError, match="Read-only file system"):
            Store(disk, readonly=False)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_an_error_of_the_disk_inside_a_transaction_undoes_it(store: Store, number: int) -> None:
    def work(txn: Transaction) -> None:
        put(txn, 0, 1)
        raise OSError(number, os.strerror(number))

    with pytest.raises(StorageError) as caught:
        store.transact(work)
    assert caught.value.cause == ("io_error" if number == errno.EIO else "no_space")
    store.transact(lambda txn: put(txn, 1, 1))
    with store.read() as txn:
        assert txn.count(VECTORS) == 1


def test_what_is_not_the_disks_fault_is_not_told_as_such(tmp_path: Path) -> None:
    assert not is_storage_failure(FileNotFoundError(errno.ENOENT, "x"))
    assert not is_storage_failure(lmdb.Error("mdb_put: MDB_BAD_VALSIZE"))
    assert is_storage_failure(lmdb.Error("mdb_txn_commit: No space left on device"))
    assert storage_error(lmdb.Error("mdb_txn_commit: Input/output error"), tmp_path).cause == "io_error"
