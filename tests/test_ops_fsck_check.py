"""The checker finds nothing in what the writer leaves, and everything that is then broken by hand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import msgspec
import numpy as np
import pytest

from index.cache import VectorCache
from index.form import PACKED_BYTES
from index.kinds import Sizes
from index.store import Store
from index.vectors import VectorIndex
from ops.errors import StateError
from ops.fsck import Finding, check_state
from ops.fsck.check import CHECKS
from ops.fsck.raw import TABLES, RawState, numbers, packed
from tests.batches import DIM, open_ingest, stream
from tests.editor import Editor
from tests.old_store import WRITERS, write_schema_1, write_schema_3
from tests.states import DELETED, busy_state

KEYPOINTS = (
    b'{"points":[[0,0,0],[0,1,0]],"edges":[[0,1]],"bases":[[[0,0,0],[1,0,0]]],"residual":0.1,"residual_left":0.05,'
    b'"sights":[{"sample":0,"places":[[0,0],[0.5,0]],"visible":[true,false],"coefficients":[1]}]}'
)
EDGE_TO_NOWHERE = KEYPOINTS.replace(b"[0,1]]", b"[0,2]]")


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return busy_state(tmp_path_factory.mktemp("healthy"))


@pytest.fixture
def broken(healthy: Path, tmp_path: Path) -> Path:
    return shutil.copytree(healthy, tmp_path / "state")


def test_what_the_writer_leaves_is_clean_and_every_check_had_something_to_look_at(healthy: Path) -> None:
    report = check_state(healthy)
    assert report.findings == [] and report.clean
    assert report.checks == ["records", *CHECKS]
    assert all(report.records[table] for table in TABLES if table != "late"), report.records
    assert report.records["late"] == 0  # a writer that ends applies them
    assert report.records["samples"] == 322 and report.records["shapes"] == 4
    with RawState(healthy) as state:
        kinds = {event["kind"] for _, event in state.records("lineage")}
    assert {"created", "split", "merged", "rolled_back"} <= kinds, kinds


@pytest.mark.parametrize("write", WRITERS)
def test_a_store_of_an_older_schema_is_checked_as_such(tmp_path: Path, write: Callable[[Path, Path], None]) -> None:
    write(busy_state(tmp_path / "today", edits=False), tmp_path / "old")
    assert check_state(tmp_path / "old").clean
    editor = Editor(tmp_path / "old")
    editor.change("counters", b"only", stored=7)
    editor.close()
    wanted = ["totals"] if write in (write_schema_1, write_schema_3) else ["totals", "feed"]  # there was no feed before
    assert [finding.check for finding in check_state(tmp_path / "old").errors] == wanted


def image(number: int) -> bytes:
    return packed(number)


def shape(editor: Editor) -> bytes:
    """The place of the first published version."""
    return editor.where("shapes", outcome="published")


def several(editor: Editor) -> bytes:
    """The first micro-cluster of several images."""
    return editor.keys("micro_sums")[0]


def two(key: bytes) -> tuple[int, ...]:
    return numbers(key, 2)


def drop_first(table: str) -> Callable[[Editor], None]:
    return lambda e: e.set(table, e.keys(table)[0], None)


def misname(editor: Editor) -> None:
    first, second, *_ = editor.keys("shards")
    one, other = editor.get("shards", first), editor.get("shards", second)
    editor.set("shards", first, other)
    editor.set("shards", second, one)


def barred(editor: Editor) -> None:
    cluster, micro = numbers(editor.keys("cluster_micros")[0], 2)
    editor.change("micros", packed(micro), barred=[cluster])


def other_place(editor: Editor) -> None:
    """Image 3 takes the key of image 2, as if one picture had been stored twice."""
    key = msgspec.msgpack.decode(editor.get("samples", image(2)))["key"]
    editor.change("samples", image(3), key=key)


def other_micro(editor: Editor) -> None:
    """An image is listed in a second micro-cluster."""
    micro, number = numbers(editor.keys("micro_samples")[0], 2)
    editor.set("micro_samples", packed(micro + 1, number), b"")


def swap_vectors(editor: Editor) -> None:
    # Of several images; of a single one its vector is all there is.
    ours = next(number for micro, number in map(two, editor.keys("micro_samples")) if packed(micro) == several(editor))
    one, other = editor.get("vectors", image(ours)), editor.get("vectors", image(ours + 9))
    editor.set("vectors", image(ours), other)
    editor.set("vectors", image(ours + 9), one)


def unpublish(editor: Editor) -> None:
    cluster, _ = numbers(shape(editor), 2)
    editor.change("clusters", packed(cluster), version=0)


def backwards(editor: Editor) -> None:
    cluster, _ = numbers(shape(editor), 2)
    editor.change("shapes", packed(cluster, 2), at=0)


def worse(editor: Editor) -> None:
    cluster, _ = numbers(shape(editor), 2)
    editor.change("shapes", packed(cluster, 2), held_out_loss=0.9)


def seen_before(editor: Editor) -> None:
    """The images that judged the second version were fitted to."""
    cluster, _ = numbers(shape(editor), 2)
    cameras = msgspec.msgpack.decode(editor.get("cameras", packed(cluster, 2)))
    fitted = [{name: value for name, value in camera.items() if name != "fitted"} for camera in cameras]
    editor.set("cameras", packed(cluster, 2), msgspec.msgpack.encode(fitted))


def second(**fields: object) -> Callable[[Editor], None]:
    """Changes the second version of a shape."""
    return lambda e: e.change("shapes", shape(e)[:8] + packed(2), **fields)


def rolled_back(**fields: object) -> Callable[[Editor], None]:
    return lambda e: e.change("shapes", e.where("shapes", judge="person"), **fields)


def no_first_version(editor: Editor) -> None:
    cluster, _ = numbers(shape(editor), 2)
    for table in ("shapes", "cameras", "artifacts"):
        for key in editor.keys(table):
            if key.startswith(packed(cluster, 1)):
                editor.set(table, key, None)


def camera_of_nobody(editor: Editor) -> None:
    cameras = msgspec.msgpack.decode(editor.get("cameras", shape(editor)))
    cameras[0]["sample"] = 10**6
    editor.set("cameras", shape(editor), msgspec.msgpack.encode(cameras))


def lose_place(editor: Editor) -> None:
    editor.set("sample_keys", next(key for key in editor.keys("sample_keys") if len(key) == 32), None)


def sha(editor: Editor, number: int) -> str:
    return str(msgspec.msgpack.decode(editor.get("samples", image(number)))["sha256"])


def other_source(editor: Editor) -> None:
    editor.set("micro_samples", editor.keys("micro_samples")[0], b"0" * 32)


def untold(editor: Editor) -> None:
    editor.change("changes", editor.where("changes", kind="published"), version=9)


def counted_label(editor: Editor) -> bytes:
    """A label of a source, which counts images."""
    return next(key for key in editor.keys("labels") if editor.get("labels", key))


BREAKS: list[tuple[str, str, Callable[[Editor], None]]] = [
    ("records", "is no record", lambda e: e.set("samples", image(5), b"\xc1garbage")),
    ("identity", "nothing says", lambda e: e.set("identity", b"only", None)),
    ("identity", "schema 99", lambda e: e.change("identity", b"only", schema=99)),
    ("identity", "does not know", lambda e: e.set("strange", b"key", b"value")),
    ("totals", "total quarantined", lambda e: e.change("counters", b"only", quarantined=7)),
    ("totals", "total clustered", lambda e: e.change("counters", b"only", clustered=7)),
    ("totals", "total loss_millionths", lambda e: e.change("counters", b"only", loss_millionths=7)),
    ("totals", "refused are", lambda e: e.change("counters", b"only", rejects_by_reason={"too_small": 1000})),
    ("totals", "total stored", lambda e: e.change("counters", b"only", stored=7)),
    ("totals", "total next_sample", lambda e: e.change("counters", b"only", next_sample=7)),
    ("totals", "total rejected", lambda e: e.change("counters", b"only", rejected=7)),
    ("totals", "where the next ones go", lambda e: e.change("counters", b"only", next_reject=0)),
    ("totals", "total next_lineage", lambda e: e.change("counters", b"only", next_lineage=0)),
    ("totals", "than there were", lambda e: e.change("clusters", shape(e)[:8], turn=999)),
    ("totals", "total published", lambda e: e.change("counters", b"only", published=9)),
    ("totals", "total reconstructions", lambda e: e.change("counters", b"only", reconstructions=9)),
    ("totals", "total rejected", drop_first("rejects")),
    ("totals", "lineage is not numbered", drop_first("lineage")),
    ("image keys", "numbers have a gap", lambda e: e.set("samples", image(5), None)),
    ("image keys", "stored twice", other_place),
    ("image keys", "its key leads to nothing", lose_place),
    ("image keys", "keys for", lambda e: e.set("sample_keys", b"0" * 32, image(0))),
    ("image digests", "leads to nothing", lambda e: e.set("sample_keys", sha(e, 9).encode(), None)),
    ("image digests", "leads to image 9", lambda e: e.change("samples", image(5), sha256=sha(e, 9))),
    ("image digests", "digests for", lambda e: e.set("sample_keys", b"f" * 64, image(0))),
    ("vectors", "no entry in vectors", lambda e: e.set("vectors", image(4), None)),
    ("vectors", "which is not stored", lambda e: e.set("vectors", image(10**6), bytes(2 * DIM))),
    ("vectors", "bytes, not", lambda e: e.set("vectors", image(4), bytes(6))),
    ("vectors", "zero or not finite", lambda e: e.set("vectors", image(4), bytes(2 * DIM))),
    ("vectors", "zero or not finite", lambda e: e.set("vectors", image(4), np.full(DIM, np.nan, "<f2").tobytes())),
    ("crops and masks", "no entry in crops", lambda e: e.set("crops", image(4), None)),
    ("crops and masks", "no entry in masks", lambda e: e.set("masks", image(4), None)),
    ("crops and masks", "no whole JPEG", lambda e: e.set("crops", image(4), e.get("crops", image(4))[:-9])),
    ("crops and masks", "mask of image 4", lambda e: e.set("masks", image(4), b"no deflate")),
    ("shards", "says 7 images", lambda e: e.change("shards", e.keys("shards")[0], stored=7)),
    ("shards", "says 7 rejects", lambda e: e.change("shards", e.keys("shards")[0], rejected=7)),
    ("shards", "beyond the cursor", lambda e: e.change("shards", e.where("shards", cursor=160), cursor=150)),
    ("shards", "are lost", lambda e: e.change("shards", e.where("shards", cursor=160), cursor=161)),
    ("shards", "which was stored before", lambda e: e.change("samples", image(9), index=3)),
    ("shards", "taken in 2 times", lambda e: e.change("rejects", e.where("rejects", reason="too_small"), index=0)),
    ("shards", "key of another shard", misname),
    ("shards", "has no record", lambda e: e.set("shards", e.where("shards", cursor=160), None)),
    ("micro-clusters", "counts 99 images", lambda e: e.change("micros", packed(0), count=99)),
    ("micro-clusters", "comes where 0 should", lambda e: e.set("micros", packed(0), None)),
    ("micro-clusters", "which does not exist", lambda e: e.set("micros", packed(0), None)),
    ("micro-clusters", "the sum of micro-cluster", lambda e: e.set("micro_sums", several(e), bytes(4 * DIM))),
    ("micro-clusters", "the sum of micro-cluster", lambda e: e.set("micro_sums", several(e), None)),
    ("micro-clusters", "has a sum beside", lambda e: e.set("micro_sums", e.where("micros", count=1), bytes(4 * DIM))),
    ("micro-clusters", "which does not exist", lambda e: e.set("micro_sums", packed(10**6), bytes(4 * DIM))),
    ("micro-clusters", "the sum of micro-cluster", swap_vectors),
    ("micro-clusters", "is not listed in its micro-cluster", drop_first("micro_samples")),
    ("micro-clusters", "listed in 2 micro-clusters", other_micro),
    ("micro-clusters", "and not stored", lambda e: e.set("micro_samples", packed(0, 10**6), b"")),
    ("clusters", "is not listed in its cluster", drop_first("cluster_micros")),
    ("clusters", "which is not in it", lambda e: e.set("cluster_micros", packed(1, 10**6), b"")),
    ("clusters", "says 1 images", lambda e: e.change("clusters", e.where("clusters", state=None), size=1)),
    ("clusters", "was handed back from", barred),
    ("clusters", "is retired with", lambda e: e.change("clusters", e.where("clusters", state=None), state="retired")),
    ("clusters", "which has no record", lambda e: e.set("clusters", e.where("clusters", state=None), None)),
    ("clusterer", "has learnt 3 images", lambda e: e.set("clusterer", b"learnt", b"\x03")),
    ("clusterer", "next cluster would be 1", lambda e: e.set("clusterer", b"next_cluster", b"\x01")),
    ("lineage", "is told after", lambda e: e.change("lineage", packed(0), at=10**6)),
    ("lineage", "a second time", lambda e: e.change("lineage", packed(1), cluster=1, kind="created", others=[])),
    ("lineage", "before it appeared", lambda e: e.change("lineage", packed(0), kind="merged", others=[77])),
    ("lineage", "no event says where", lambda e: e.change("lineage", packed(0), cluster=77)),
    ("lineage", "its lineage says otherwise", lambda e: e.change("lineage", packed(1), kind="dissolved", others=[])),
    ("shapes", "points to version 0", unpublish),
    ("shapes", "not in the order of the stream", backwards),
    ("quality", "no better than the one before", worse),
    ("quality", "its figures make it", second(level=0.1)),
    ("quality", "there are 0 that neither version was fitted to", seen_before),
    ("quality", "was judged by 0 images", second(held_out=0)),
    ("quality", "though nothing judged it", second(judge="")),
    ("quality", "was compared with version 7", second(before=7)),
    ("quality", "has another level than its loss", lambda e: e.change("shapes", shape(e), level=0.9)),
    ("quality", "not published and yet has a level", second(outcome="candidate")),
    ("quality", "not that of the version it stands for", rolled_back(level=0.01)),
    ("shapes", "no parent of its own", lambda e: e.change("clusters", shape(e)[:8], seeds=[[1, 1]])),
    ("shapes", "which has no files", rolled_back(source=77)),
    ("shapes", "has files of its own", lambda e: e.set("cameras", e.where("shapes", judge="person"), b"\x90")),
    ("shapes", "should rise from 1", no_first_version),
    ("shapes", "under the key of another", lambda e: e.change("shapes", shape(e), cluster=77)),
    ("shapes", "has the files", lambda e: e.set("artifacts", shape(e) + b"mesh.ply", None)),
    ("shapes", "mesh.ply of version", lambda e: e.set("artifacts", shape(e) + b"mesh.ply", b"garbage")),
    ("shapes", "field.safetensors of", lambda e: e.set("artifacts", shape(e) + b"field.safetensors", bytes(20))),
    ("shapes", "keypoints.json of", lambda e: e.set("artifacts", shape(e) + b"keypoints.json", KEYPOINTS[:-9])),
    ("shapes", "keypoints.json of", lambda e: e.set("artifacts", shape(e) + b"keypoints.json", EDGE_TO_NOWHERE)),
    ("shapes", "form.bin of", lambda e: e.set("artifacts", shape(e) + b"form.bin", bytes(PACKED_BYTES - 2))),
    ("shapes", "cameras of version", lambda e: e.set("cameras", shape(e), None)),
    ("shapes", "an image that is not stored", camera_of_nobody),
    ("shapes", "which does not exist", lambda e: e.set("cameras", packed(1, 77), b"\x90")),
    ("shapes", "without a cluster", lambda e: e.set("clusters", shape(e)[:8], None)),
    ("shapes", "more versions and failures", lambda e: e.change("clusters", shape(e)[:8], attempts=1)),
    ("image keys", "deleted and stored", lambda e: e.set("deleted", image(4), e.get("deleted", image(DELETED)))),
    ("image keys", "numbers have a gap", drop_first("deleted")),
    ("shards", "deleted images", lambda e: e.change("shards", e.where("shards", deleted=1), deleted=2)),
    ("totals", "total next_change", lambda e: e.change("counters", b"only", next_change=7)),
    ("late changes", "none that this version knows", lambda e: e.set("late", b"\x09key", b"+")),
    ("late changes", "none that this version knows", lambda e: e.set("late", b"\1key", b"?")),
    ("lists", "there is no entry", lambda e: e.set("late", b"\1" + e.keys("lists")[0], b"-")),
    ("lists", "should be no entry", lambda e: e.set("late", b"\1" + packed(0, 1, 2), b"+")),
    ("lists", "there is no entry", drop_first("lists")),
    ("lists", "should be no entry", lambda e: e.set("lists", packed(0, 1, 2), b"")),
    ("labels", "there is no entry", drop_first("labels")),
    ("labels", "should be no entry", lambda e: e.set("labels", b"0" * 32 + packed(1), b"")),
    ("labels", "there is no entry", lambda e: e.set("labels", counted_label(e), packed(999))),
    ("sources and reasons", "there is no entry", drop_first("source_samples")),
    ("sources and reasons", "there is no entry", drop_first("shard_names")),
    ("sources and reasons", "there is no entry", drop_first("reasons")),
    ("sources and reasons", "should be no entry", other_source),
    ("sources and reasons", "in quarantine and not", lambda e: e.set("quarantined", image(10**6), b"")),
    ("signatures", "has 9 bytes", lambda e: e.set("signatures", e.keys("signatures")[0], bytes(9))),
    ("signatures", "which is not stored", lambda e: e.set("signatures", image(10**6), bytes(264))),
    ("signatures", "there is no entry", drop_first("signature_bands")),
    ("signatures", "should be no entry", lambda e: e.set("signature_bands", packed(7, 1), bytes(8))),
    ("copies", "there is no entry", drop_first("copies")),
    ("copies", "should be no entry", lambda e: e.set("copies", packed(7, 1), b"")),
    ("copies", "which never was", lambda e: e.change("rejects", e.where("rejects", reason="near_duplicate"), of=999)),
    ("feed", "not numbered", drop_first("changes")),
    ("feed", "order of the stream", lambda e: e.change("changes", packed(0), at=10**6)),
    ("feed", "events of clusters", lambda e: e.change("changes", e.where("changes", kind="created"), kind="images")),
    ("feed", "does not tell of version", untold),
    ("feed", "entries of changes", drop_first("cluster_changes")),
    ("feed", "entries of lineage", drop_first("cluster_lineage")),
    ("feed", "it ends with", lambda e: e.change("changes", e.keys("changes")[-1], images=7)),
]  # fmt: skip


@pytest.mark.parametrize(("check", "text", "damage"), BREAKS, ids=[f"{b[0]}-{b[1]}" for b in BREAKS])
def test_each_thing_broken_is_found(broken: Path, check: str, text: str, damage: Callable[[Editor], None]) -> None:
    editor = Editor(broken)
    damage(editor)
    editor.close()
    report = check_state(broken)
    assert not report.clean
    found = [finding for finding in report.errors if finding.check == check and text in finding.what]
    assert found and all(finding.todo for finding in found), report.findings


def rewritten(folder: Path, change: Callable[[VectorIndex], None], fingerprint: str = "f" * 8) -> None:
    """A FAISS file that was saved properly, of something else than the store."""
    file = folder / "vectors.faiss"
    index = VectorIndex.load(file, fingerprint="f" * 8)
    change(index)
    index.save(file, fingerprint=fingerprint)


def recast(folder: Path, kind: str) -> None:
    """The FAISS file as an index of another type."""
    (folder / "vectors.faiss").unlink()
    store = Store(folder, readonly=True)
    cache = VectorCache(folder, "f" * 8, DIM, store, {"flat": Sizes(), "ivf": Sizes(ivf=1), "sq": Sizes(1, 1)}[kind])
    assert cache.kind == kind and cache.save()
    store.close()


def moved(index: VectorIndex) -> None:
    index.remove(np.array([3]))
    index.add(np.array([3]), np.ones((1, DIM), np.float32))


def doubled(index: VectorIndex) -> None:
    index._index.add_with_ids(np.ones((1, DIM), np.float32), np.array([3]))


INDEX_BREAKS: dict[str, Callable[[Path], None]] = {
    "is damaged": lambda f: (f / "vectors.faiss").write_bytes((f / "vectors.faiss").read_bytes()[:-4] + b"rust"),
    "of another backbone": lambda f: rewritten(f, lambda index: None, "other"),
    "lacks image 3": lambda f: rewritten(f, lambda index: index.remove(np.array([3])) and None),
    "another vector for image 3": lambda f: rewritten(f, moved),
    "which is not stored": lambda f: rewritten(f, lambda i: i.add(np.array([10**6]), np.ones((1, DIM), np.float32))),
    "a vector twice": lambda f: rewritten(f, doubled),
}


@pytest.mark.parametrize("text", INDEX_BREAKS)
@pytest.mark.parametrize("kind", ["flat", "ivf", "sq"])
def test_an_index_that_is_not_the_stores_is_found(broken: Path, kind: str, text: str) -> None:
    recast(broken, kind)
    assert check_state(broken).findings == []
    INDEX_BREAKS[text](broken)
    report = check_state(broken)
    assert any(f.check == "FAISS index" and text in f.what and "delete" in f.todo for f in report.errors)


def test_keypoints_and_form_are_files_that_a_version_may_have(broken: Path) -> None:
    editor = Editor(broken)
    editor.set("artifacts", shape(editor) + b"keypoints.json", KEYPOINTS)
    editor.set("artifacts", shape(editor) + b"form.bin", bytes(PACKED_BYTES))
    editor.close()
    assert check_state(broken).clean


def test_an_index_that_is_behind_missing_or_half_written_is_only_a_note(healthy: Path, tmp_path: Path) -> None:
    state = busy_state(tmp_path / "state")
    (state / "vectors.faiss.abc.tmp").write_bytes(b"half")
    ids = np.arange(302, 323)
    rewritten(state, lambda index: setattr(index, "last_id", 301 + 0 * index.remove(ids)))
    report = check_state(state)
    assert report.clean
    assert [f.what for f in report.findings if "21 images behind" in f.what or "killed while" in f.what]
    (state / "vectors.faiss").unlink()
    assert check_state(state).clean and "no vectors.faiss" in check_state(state).findings[-1].what


def test_a_missing_table_is_found(broken: Path) -> None:
    env = lmdb.open(str(broken / "lmdb"), map_size=2**28, max_dbs=32)
    with env.begin(write=True) as txn:
        txn.drop(env.open_db(b"masks", txn=txn))
    env.close()
    assert any("no table masks" in finding.what for finding in check_state(broken).errors)


def test_many_findings_of_one_kind_are_counted_and_not_all_listed(broken: Path) -> None:
    editor = Editor(broken)
    for key in editor.keys("vectors")[:50]:
        editor.set("vectors", key, None)
    editor.close()
    report = check_state(broken)
    assert report.counts["vectors"] == 50
    assert sum(finding.check == "vectors" for finding in report.findings) == 20


def test_it_reads_beside_a_writer_that_has_not_saved_its_index(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    for one in stream("a", 64, 16):
        ingest.commit(one)
    code = "import sys, pathlib; from ops.fsck import check_state; r = check_state(pathlib.Path(sys.argv[1])); "
    code += "print(r.clean, r.records['samples'])"
    answer = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    ingest.close()
    assert answer.stdout.split() == ["True", "64"], answer.stderr


def test_a_store_that_is_cut_off_is_said_and_not_read(broken: Path) -> None:
    file = broken / "lmdb" / "data.mdb"
    with file.open("rb+") as opened:
        opened.truncate(file.stat().st_size // 2)
    with pytest.raises(StateError, match="is cut off"):
        check_state(broken)


def test_a_check_that_lmdb_ends_is_a_finding(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(state: RawState) -> Iterator[Finding]:
        raise lmdb.CorruptedError("page 7")
        yield

    monkeypatch.setitem(CHECKS, "vectors", fail)
    said: list[str] = []
    report = check_state(healthy, said.append)
    assert [finding.what for finding in report.errors] == ["LMDB cannot read on: page 7"]
    assert said == list(CHECKS)


def test_what_is_no_state_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no Shapelode state"):
        check_state(tmp_path)
    (tmp_path / "lmdb").mkdir()
    (tmp_path / "lmdb" / "data.mdb").write_bytes(b"garbage" * 1000)
    with pytest.raises(StateError, match="cannot open"):
        check_state(tmp_path)
