"""Pages of clusters and shapes by filter and order, at a bounded cost however large the library is.

Where a filter's label has few clusters, those are looked at; else the list of the wanted order is walked and each
cluster tested. A walk ends after `MOST_TESTED` clusters, so a page may hold fewer items than asked for, or none, and
yet have a next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from index.lists import Order, Scope, label, labelled, list_of, rank_of, scopes_of, walk
from index.paging import check_limit, decode_cursor, encode_cursor
from index.records import ClusterRecord
from index.store import Transaction
from index.summaries import Page
from index.tables import CLUSTERS, LABELS, digest
from ops.errors import ConfigError

MOST_TESTED = 2000
"""Clusters that one page looks at, at most."""
Found = tuple[int, ClusterRecord]
_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which clusters a list shows; None leaves a thing out of account.

    Attributes:
        min_size: least images.
        max_size: most images.
        max_loss: greatest held-out loss of the shape; clusters without one are left out.
        min_growth: least images that came since the last attempt.
        born_after: appeared after so many images.
        born_before: appeared before so many images.
        source: holds an image of this shard.
        tag: has this tag.
        pinned: pinned or not.
        hidden: hidden or not; hidden ones are left out unless asked for.
        quarantined: in quarantine or not.
    """

    min_size: int | None = None
    max_size: int | None = None
    max_loss: float | None = None
    min_growth: int | None = None
    born_after: int | None = None
    born_before: int | None = None
    source: str | None = None
    tag: str | None = None
    pinned: bool | None = None
    hidden: bool | None = False
    quarantined: bool | None = None

    def admits(self, record: ClusterRecord) -> bool:
        """Whether a cluster passes, its source left out of account."""
        growth = record.size - record.attempted_size
        return (
            (self.min_size is None or record.size >= self.min_size)
            and (self.max_size is None or record.size <= self.max_size)
            and (self.max_loss is None or (record.version > 0 and record.loss <= self.max_loss))
            and (self.min_growth is None or growth >= self.min_growth)
            and (self.born_after is None or record.born > self.born_after)
            and (self.born_before is None or record.born < self.born_before)
            and (self.tag is None or self.tag in record.tags)
            and (self.pinned is None or record.pinned == self.pinned)
            and (self.hidden is None or record.hidden == self.hidden)
            and (self.quarantined is None or (record.quarantined or record.held) == self.quarantined)
        )

    def labels(self) -> list[str]:
        """Labels that every cluster that passes has."""
        flags = {"pinned": self.pinned, "hidden": self.hidden, "quarantined": self.quarantined}
        found = [label("flag", name) for name, wanted in flags.items() if wanted]
        if self.tag is not None:
            found.append(label("tag", self.tag))
        if self.source is not None:
            found.append(label("source", digest(self.source)))
        return found


EVERYTHING_SHOWN = Filter()
"""No filter: all that is not hidden."""


def browse(
    txn: Transaction, scope: Scope, order: Order, chosen: Filter, *, reverse: bool, after: str | None, limit: int
) -> Page[Found]:
    """One page of clusters.

    Args:
        txn: what is read.
        scope: open clusters, those with a shape, or retired ones.
        order: see `index.lists.rank_of`.
        chosen: which of them.
        reverse: from the last to the first.
        after: the ``next`` of the page before.
        limit: clusters a page, at most.

    Raises:
        ConfigError: a bad cursor, such as one of a list in another order, or limit.
    """
    check_limit(limit)
    number = list_of(scope, order)
    edge = _edge(after, number, reverse)
    few = [found for name in chosen.labels() if (found := labelled(txn, name, MOST_TESTED)) is not None]
    if few:
        candidates = _sorted(txn, min(few, key=len), scope, order, edge, reverse)
    else:
        candidates = walk(txn, number, edge, reverse=reverse)
    return _page(txn, candidates, chosen, limit, lambda place: encode_cursor(number, int(reverse), *place))


def _page(
    txn: Transaction, candidates: Iterator[_Place], chosen: Filter, limit: int, cursor: Callable[[_Place], str]
) -> Page[Found]:
    source = label("source", digest(chosen.source)) if chosen.source is not None else None
    found: list[Found] = []
    last: _Place | None = None
    for last in islice(candidates, MOST_TESTED):
        cluster = last[1]
        record = txn.get(CLUSTERS, cluster)
        if record is None or not chosen.admits(record):
            continue
        if source is not None and txn.get(LABELS, (source, cluster)) is None:
            continue
        found.append((cluster, record))
        if len(found) == limit:
            break
    if last is None or next(candidates, None) is None:
        return Page(found, None)
    return Page(found, cursor(last))


def _sorted(
    txn: Transaction, clusters: list[int], scope: Scope, order: Order, edge: _Place | None, reverse: bool
) -> Iterator[_Place]:
    records = ((cluster, txn.get(CLUSTERS, cluster)) for cluster in clusters)
    ranked = [
        (rank_of(record, order), cluster)
        for cluster, record in records
        if record is not None and scope in scopes_of(record)
    ]
    beyond = (place for place in ranked if edge is None or (place < edge if reverse else place > edge))
    return iter(sorted(beyond, reverse=reverse))


def _edge(after: str | None, number: int, reverse: bool) -> _Place | None:
    if after is None:
        return None
    listed, backwards, rank, cluster = decode_cursor(after, 4)
    if (listed, backwards) != (number, int(reverse)) or min(rank, cluster) < 0:
        raise ConfigError(f"bad cursor {after!r}; it is of a list in another order")
    return rank, cluster
