from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.records import ClusterRecord, Counters
from index.store import Store, Transaction
from index.tables import COUNTERS
from index.totals import add_counts, count_rejects, library_loss, recount, write_cluster
from ops.errors import RejectError
from tests.batches import batch, open_ingest, sample, stream

RECORDS = st.builds(
    ClusterRecord,
    size=st.integers(0, 50),
    state=st.sampled_from(["open", "retired"]),
    version=st.integers(0, 2),
    loss=st.floats(0, 1),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("state"), readonly=False, map_size_gib=0.1)
    yield store
    store.close()


class _UndoneError(Exception):
    pass


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 3), RECORDS), max_size=12))
def test_totals_are_the_sums_over_clusters_whatever_happened(
    store: Store, changes: list[tuple[int, ClusterRecord]]
) -> None:
    last = dict(changes)
    open_ones = [record for record in last.values() if record.state == "open"]
    shaped = [record for record in open_ones if record.version]
    with pytest.raises(_UndoneError), store.write() as txn:
        for cluster, record in changes:
            write_cluster(txn, cluster, record)
        totals = txn.counters()
        assert totals.clusters == len(open_ones) and totals.clustered == sum(record.size for record in open_ones)
        assert totals.shapes == len(shaped)
        images = sum(record.size for record in shaped)
        mean = sum(record.loss * record.size for record in shaped) / images if images else 0.0
        assert library_loss(totals) == pytest.approx(mean, abs=1e-6)
        raise _UndoneError


def test_counts_and_reasons_add_up(store: Store) -> None:
    with pytest.raises(_UndoneError), store.write() as txn:
        add_counts(txn, stored=3, next_sample=3)
        count_rejects(txn, ["a", "b", "a"])
        count_rejects(txn, ["b"])
        count_rejects(txn, [])
        totals = txn.counters()
        assert (totals.stored, totals.next_sample, totals.rejected) == (3, 3, 4)
        assert totals.rejects_by_reason == {"a": 2, "b": 2}
        raise _UndoneError


def counted_anew(txn: Transaction) -> Counters:
    kept = txn.counters()
    first = {name: getattr(kept, name) for name in (*kept.__struct_fields__[:7], "next_change")}
    txn.put_only(COUNTERS, Counters(**first))
    recount(txn)
    return txn.counters()


def test_a_stream_keeps_them_as_a_recount_finds_them(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    for one in stream("a", 96, 16):
        ingest.commit(one)
    ingest.commit(batch("b", [sample(0), sample(1, reject=RejectError("too_small", "1 x 1"))], last=True))
    torn = [sample(0), sample(1, reject=RejectError("truncated_tar", "ends early"))]
    ingest.commit(batch("c", torn, last=True))
    ingest.commit(batch("c", [sample(1), sample(2)], last=True))
    ingest.reject_shard("pipe:x", RejectError("forbidden_url", "no"))
    ingest.close()
    store = Store(tmp_path, readonly=False, map_size_gib=0.25)
    with store.write() as txn:
        kept = txn.counters()
        assert kept.clusters > 1 and kept.shards_done == 3 and len(kept.rejects_by_reason) == 3
        assert counted_anew(txn) == kept
    store.close()
