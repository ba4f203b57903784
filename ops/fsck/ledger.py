"""Totals equal what is counted; lineage is told in order and agrees with the clusters there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from ops.fsck.findings import UPGRADE, Finding, error
from ops.fsck.raw import RawState, Record, number, numbers

IDENTITY, TOTALS, LINEAGE = "identity", "totals", "lineage"
SCHEMAS = frozenset({1, 2, 3, 4, 5, 6, 7, 8})
_BIRTHS = frozenset({"created", "split"})
_ENDS = frozenset({"dissolved", "deleted"})


def check_identity(state: RawState) -> Iterator[Finding]:
    """The state says what it was made with, and all of its tables are ones this version knows."""
    identity = state.record("identity")
    if identity is None:
        yield error(IDENTITY, "nothing says what this state was made with", "run `shapelode run` on it, or delete it")
    elif identity.get("schema") not in SCHEMAS:
        yield error(IDENTITY, f"it has schema {identity.get('schema')}, this version knows {sorted(SCHEMAS)}", UPGRADE)
    for name in state.missing:
        yield error(IDENTITY, f"there is no table {name}")
    for name in state.unknown:
        yield error(IDENTITY, f"there is a table {name} that this version does not know", UPGRADE)


def check_totals(state: RawState) -> Iterator[Finding]:
    """Each total against the records it counts."""
    kept = state.record("counters") or {}
    outcomes = [record["outcome"] for _, record in state.records("shapes")]
    counted = {
        "stored": state.count("samples"),
        "next_sample": state.count("samples") + state.count("deleted"),
        "rejected": state.count("rejects"),
        "next_lineage": state.count("lineage"),
        "published": outcomes.count("published"),
        "reconstructions": sum(record.get("attempts", 0) for _, record in state.records("clusters")),
    }
    if state.schema >= 2:
        counted |= _sums(state)
    if state.schema >= 4:
        counted["next_change"] = state.count("changes")
    if state.schema >= 8:
        counted["retired"] = sum(record.get("state", "open") != "open" for _, record in state.records("clusters"))
    for name, found in counted.items():
        if kept.get(name, 0) != found:
            yield error(TOTALS, f"the total {name} is {kept.get(name, 0)}, counted are {found}")
    for key, record in state.records("clusters"):
        if record.get("turn", 0) > kept.get("reconstructions", 0):
            yield error(TOTALS, f"cluster {number(key)} was tried after more reconstructions than there were")
    reasons = Counter(record["reason"] for _, record in state.records("rejects"))
    if "rejects_by_reason" in kept and kept["rejects_by_reason"] != dict(reasons):
        yield error(TOTALS, f"refused are {kept['rejects_by_reason']}, counted are {dict(reasons)}")
    if [number(key) for key in state.keys("lineage")] != list(range(state.count("lineage"))):
        yield error(TOTALS, "lineage is not numbered without gaps")
    # Damage that was read on from is a reject no more, so their numbers may have gaps.
    if max(map(number, state.keys("rejects")), default=-1) >= kept.get("next_reject", 0):
        yield error(TOTALS, f"a reject has a number from {kept.get('next_reject', 0)} on, where the next ones go")


def _sums(state: RawState) -> dict[str, int]:
    """What schema 2 keeps besides: shards read to their end, and sums over open clusters and their shapes."""
    losses = {numbers(key, 2): record["loss"] for key, record in state.records("shapes")}
    clusters = [(number(key), r) for key, r in state.records("clusters") if r.get("state", "open") == "open"]
    shaped = [(r.get("size", 0), losses[cluster, r["version"]]) for cluster, r in clusters if r.get("version", 0)]
    return {
        "shards_done": sum(record.get("done", False) for _, record in state.records("shards")),
        "clusters": len(clusters),
        "clustered": sum(record.get("size", 0) for _, record in clusters),
        "shapes": len(shaped),
        "shaped": sum(size for size, _ in shaped),
        "quarantined": sum(record.get("quarantined", False) or record.get("held", False) for _, record in clusters),
        "loss_millionths": sum(size * round(loss * 1e6) for size, loss in shaped),
    }


def check_lineage(state: RawState) -> Iterator[Finding]:
    """A cluster is born once, before anything else happens to it, and is retired if and only if it has ended."""
    born: set[int] = set()
    ended: set[int] = set()
    last: dict[int, int] = defaultdict(int)
    at = 0
    for key, event in state.records("lineage"):
        told = number(key)
        if event["at"] < at:
            yield error(LINEAGE, f"event {told} is told after {event['at']} images, the one before after {at}")
        at = event["at"]
        yield from _event(told, event, born, ended)
        for cluster in (event["cluster"], *event["others"]):
            last[cluster] = told + 1
    yield from _fates(state, born, ended, last)


def _event(told: int, event: Record, born: set[int], ended: set[int]) -> Iterator[Finding]:
    kind, cluster, others = event["kind"], event["cluster"], event["others"]
    if kind in _BIRTHS:
        if cluster in born:
            yield error(LINEAGE, f"event {told}: cluster {cluster} appears a second time")
        born.add(cluster)
    ending = set(others) if kind == "merged" else {cluster} if kind in _ENDS else set()
    for other in sorted({cluster, *others}):
        if other not in born or other in ended:
            when = "before it appeared" if other not in born else "after its end"
            yield error(LINEAGE, f"event {told} ({kind}) is about cluster {other} {when}")
    ended |= ending


def _fates(state: RawState, born: set[int], ended: set[int], last: dict[int, int]) -> Iterator[Finding]:
    for key, record in state.records("clusters"):
        cluster, condition = number(key), record.get("state", "open")
        if cluster not in born:
            yield error(LINEAGE, f"no event says where cluster {cluster} came from")
        if (condition == "retired") != (cluster in ended):
            yield error(LINEAGE, f"cluster {cluster} is {condition}, its lineage says otherwise")
        if record.get("epoch", 0) not in (0, last[cluster]):
            yield error(LINEAGE, f"cluster {cluster} knows event {record['epoch']} as its last, not {last[cluster]}")
