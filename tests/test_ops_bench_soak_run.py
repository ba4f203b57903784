from __future__ import annotations

from collections import Counter
from pathlib import Path

from ops.bench.soak.run import photos
from ops.fsck.raw import RawState
from tests.batches import batch, open_ingest, sample


def test_a_photo_of_several_objects_is_one_photo(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    ingest.commit(batch("/a.tar", [sample(0, 1, objects=3), sample(1, 7)], last=True))
    ingest.close()
    with RawState(tmp_path) as state:
        assert photos(state) == Counter({("/a.tar", "k0"): 1, ("/a.tar", "k1"): 1})
