"""Are two states the same: images, partition up to renaming, vectors and rejects?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ops.fsck.raw import RawState, number, numbers, packed

T = TypeVar("T")
Place = tuple[str, str, int]
"""Shard and key of a photo, and which of its objects."""
"""Shard and key of an image; the same in two states that read the same stream, as its number need not be."""


@dataclass(frozen=True, slots=True)
class _Contents:
    images: Counter[tuple[Place, str]]
    vectors: Counter[tuple[Place, bytes]]
    groups: set[frozenset[Place]]
    outliers: set[Place]
    rejects: Counter[tuple[tuple[str, str], str]]
    cursors: Counter[tuple[str, int, bool]]
    shapes: Counter[tuple[Place, int, str, int, int]]


def compare_states(one: Path, other: Path, *, shapes: bool = False) -> list[str]:
    """Differences between two states that read the same stream, one a line; none if they are the same.

    They are the same if they hold the same images with the same vectors, none of them twice, put together into the
    same groups whatever the clusters are called, the same rejects, and are as far in each shard.

    Args:
        one: a state directory.
        other: another.
        shapes: the versions of each cluster's shape have to be the same too, which they are where it does not depend
            on how fast a machine is when a reconstruction ends.

    Raises:
        StateError: one of them is no state directory.
    """
    left, right = _contents(one), _contents(other)
    return [
        *_counted("image", left.images, right.images),
        *_counted("vector", left.vectors, right.vectors),
        *_twice(left, right),
        *_counted("cluster", Counter(left.groups), Counter(right.groups)),
        *_counted("outlier", Counter(left.outliers), Counter(right.outliers)),
        *_counted("reject", left.rejects, right.rejects),
        *_counted("cursor", left.cursors, right.cursors),
        *(_counted("version", left.shapes, right.shapes) if shapes else ()),
    ]


def _contents(folder: Path) -> _Contents:
    with RawState(folder) as state:
        groups: dict[int, set[Place]] = defaultdict(set)
        images: Counter[tuple[Place, str]] = Counter()
        vectors: Counter[tuple[Place, bytes]] = Counter()
        owners = {number(key): record["cluster"] for key, record in state.records("micros")}
        for key, record in state.records("samples"):
            place = (record["shard"], record["key"], record.get("object", 0))
            images[place, record["sha256"]] += 1
            vectors[place, state.get("vectors", packed(number(key))) or b""] += 1
            groups[owners[record["micro"]]].add(place)
        outliers = groups.pop(-1, set())
        rejects = Counter(((r["shard"], r["key"]), r["reason"]) for _, r in state.records("rejects"))
        cursors = Counter((r["url"], r.get("cursor", 0), r.get("done", False)) for _, r in state.records("shards"))
        shapes = _shapes(state, {cluster: min(places) for cluster, places in groups.items()})
        return _Contents(images, vectors, set(map(frozenset, groups.values())), outliers, rejects, cursors, shapes)


def _shapes(state: RawState, first: dict[int, Place]) -> Counter[tuple[Place, int, str, int, int]]:
    """Versions, by the first image of their cluster, which no two clusters share."""
    found: Counter[tuple[Place, int, str, int, int]] = Counter()
    for key, record in state.records("shapes"):
        place = first.get(numbers(key, 2)[0], ("retired", "", 0))
        found[place, record["version"], record["outcome"], record["views"], record["at"]] += 1
    return found


def _counted(what: str, left: Counter[T], right: Counter[T]) -> Iterator[str]:
    for side, extra in (("first", left - right), ("second", right - left)):
        for item, times in extra.items():
            yield f"only the {side} has {what} {item!r:.160}" + (f" ({times} times)" if times > 1 else "")


def _twice(*states: _Contents) -> Iterator[str]:
    for side, state in zip(("first", "second"), states, strict=True):
        places = Counter(place for place, _ in state.vectors.elements())
        yield from (f"the {side} holds {place!r} {times} times" for place, times in places.items() if times > 1)
