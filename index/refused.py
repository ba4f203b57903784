"""Pages of what was refused: all, for one reason, or as a copy of one image."""

from __future__ import annotations

from collections.abc import Iterator

from index.paging import paginate
from index.reading import need, start_of
from index.store import Transaction
from index.summaries import Page, RejectSummary
from index.tables import COPIES, REASONS, REJECTS, Key, Table, decode_key, digest


def refused(txn: Transaction, reason: str | None, of: int | None, after: str | None, limit: int) -> Page[RejectSummary]:
    """Refused samples, members and shards, oldest first.

    Args:
        txn: a transaction.
        reason: only of this reason.
        of: only copies of this image.
        after: cursor of the page before.
        limit: rejects on the page at most.
    """
    start = start_of(after)
    if of is not None:
        numbers = _numbers(txn, COPIES, of, start)
    elif reason is not None:
        numbers = _numbers(txn, REASONS, digest(reason), start)
    else:
        numbers = (key[0] for key, _ in txn.scan(REJECTS, start=start))
    records = ((number, need(txn, REJECTS, number, f"reject {number}")) for number in numbers)
    wanted = (found for found in records if reason is None or found[1].reason == reason)
    page = paginate(wanted, limit, lambda found: (found[0],))
    return Page(
        [
            RejectSummary(n, r.shard, r.key, r.reason, r.detail, r.time, r.of if r.of >= 0 else None)
            for n, r in page.items
        ],
        page.next,
    )


def _numbers(txn: Transaction, table: Table[bytes], head: Key, start: int) -> Iterator[int]:
    return (decode_key(raw) for raw in txn.keys(table, head, after=start - 1 if start else None))
