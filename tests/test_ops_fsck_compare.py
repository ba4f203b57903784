from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from index.stream.batch import Batch
from ops.errors import RejectError
from ops.fsck import compare_states
from tests.batches import batch, open_ingest, sample
from tests.editor import Editor
from tests.states import restless


def fed(folder: Path, batches: list[Batch]) -> Path:
    ingest = open_ingest(folder)
    for one in batches:
        ingest.commit(one)
    ingest.close()
    return folder


def whole() -> list[Batch]:
    refused = batch("/b.tar", [sample(0, 900), sample(1, reject=RejectError("too_small", "1 x 1"))], last=True)
    return [*restless("/a.tar", 96, 16), refused]


def test_a_run_in_parts_is_the_same_as_one_in_a_piece(tmp_path: Path) -> None:
    one = fed(tmp_path / "one", whole())
    other = tmp_path / "other"
    for part in whole():
        fed(other, [part])
        fed(other, [part])
    assert compare_states(one, other) == []


def test_clusters_may_have_other_names(tmp_path: Path) -> None:
    one, other = fed(tmp_path / "one", whole()), fed(tmp_path / "other", whole())
    editor = Editor(other)
    names = {1: 2, 2: 1}
    for key in editor.keys("micros"):
        cluster = msgspec.msgpack.decode(editor.get("micros", key))["cluster"]
        if cluster in names:
            editor.change("micros", key, cluster=names[cluster])
    editor.close()
    assert compare_states(one, other) == []


def test_an_image_that_changes_its_cluster_is_seen(tmp_path: Path) -> None:
    one, other = fed(tmp_path / "one", whole()), fed(tmp_path / "other", whole())
    editor = Editor(other)
    editor.change("micros", editor.where("micros", cluster=1), cluster=2)
    editor.close()
    assert any("cluster" in difference for difference in compare_states(one, other))


CHANGES: dict[str, Callable[[list[Batch]], list[Batch]]] = {
    "only the first has image": lambda all_of_it: all_of_it[1:],
    "only the second has image": lambda all_of_it: [*all_of_it, batch("/z.tar", [sample(0, 901)])],
    "only the first has reject": lambda all_of_it: [*all_of_it[:-1], batch("/b.tar", [sample(0, 900), sample(1, 905)])],
    "has vector": lambda all_of_it: [*all_of_it[:-1], batch("/b.tar", [sample(0, 907)])],
    "has cursor": lambda all_of_it: [*all_of_it[:-1], batch("/b.tar", [*all_of_it[-1].samples], last=False)],
    "cluster": lambda all_of_it: [*restless("/a.tar", 96, 16, seed=5), all_of_it[-1]],
}


@pytest.mark.parametrize("text", CHANGES)
def test_what_differs_is_said(tmp_path: Path, text: str) -> None:
    one = whole()[:1] + whole()[-1:] if "image" in text else whole()
    other = CHANGES[text](one)
    differences = compare_states(fed(tmp_path / "one", one), fed(tmp_path / "other", other))
    assert any(text in difference for difference in differences), differences
