"""The feed tells everything once, in order, and ends with the totals there are."""

from __future__ import annotations

from collections.abc import Iterator

from ops.fsck.findings import Finding, error
from ops.fsck.raw import RawState, Record, number, numbers, packed

FEED = "feed"
_LINEAGE = frozenset({"created", "split", "merged", "dissolved", "deleted", "rolled_back"})
_OUTCOMES = frozenset({"published", "candidate", "no_shape", "not_better", "rolled_back"})
_TOTALS = ("images", "clusters", "shapes")


def check_feed(state: RawState) -> Iterator[Finding]:
    """Numbers without gaps, moments that rise, all lineage and versions, and the index by cluster."""
    if state.schema < 4:
        return
    changes = [(number(key), record) for key, record in state.records("changes")]
    if [told for told, _ in changes] != list(range(len(changes))):
        yield error(FEED, "changes are not numbered without gaps")
    moments = [record["at"] for _, record in changes]
    if moments != sorted(moments):
        yield error(FEED, "changes are not in the order of the stream")
    yield from _lineage(state, [record for _, record in changes])
    yield from _versions(state, [record for _, record in changes])
    yield from _index(state, changes)
    yield from _end(state, [record for _, record in changes])


def _lineage(state: RawState, changes: list[Record]) -> Iterator[Finding]:
    told = [
        (r["kind"], r.get("cluster", -1), list(r.get("others", ())), r["at"]) for r in changes if r["kind"] in _LINEAGE
    ]
    events = [(r["kind"], r["cluster"], list(r["others"]), r["at"]) for _, r in state.records("lineage")]
    if told != events:
        yield error(FEED, f"it tells {len(told)} events of clusters, which are not the {len(events)} of their lineage")


def _versions(state: RawState, changes: list[Record]) -> Iterator[Finding]:
    told = [(r.get("cluster", -1), r["version"]) for r in changes if r["kind"] in _OUTCOMES]
    if len(set(told)) != len(told):
        yield error(FEED, "it tells of a version twice")
    for place in sorted({numbers(key, 2) for key in state.keys("shapes")} - set(told)):
        yield error(FEED, f"it does not tell of version {place[1]} of shape {place[0]}")


def _index(state: RawState, changes: list[tuple[int, Record]]) -> Iterator[Finding]:
    wanted = {
        packed(cluster, told)
        for told, record in changes
        for cluster in {record.get("cluster", -1), *record.get("others", ())} - {-1}
    }
    found = set(state.keys("cluster_changes"))
    if wanted != found:
        yield error(FEED, f"{len(wanted ^ found)} entries of changes by cluster are missing or too many")
    events = {
        packed(cluster, number(key))
        for key, record in state.records("lineage")
        for cluster in (record["cluster"], *record["others"])
    }
    by_cluster = set(state.keys("cluster_lineage"))
    if events != by_cluster:
        yield error(FEED, f"{len(events ^ by_cluster)} entries of lineage by cluster are missing or too many")


def _end(state: RawState, changes: list[Record]) -> Iterator[Finding]:
    kept = state.record("counters") or {}
    names = {"images": "stored", "clusters": "clusters", "shapes": "shapes"}
    last = {name: changes[-1].get(name, 0) for name in _TOTALS} if changes else dict.fromkeys(_TOTALS, 0)
    totals = {name: kept.get(names[name], 0) for name in _TOTALS}
    if last != totals:
        yield error(FEED, f"it ends with {last}, there are {totals}")
