"""Every position of a shard up to its cursor is one image, stored or deleted, or one reject; its counts agree."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator

from ops.fsck.findings import Finding, error
from ops.fsck.raw import RawState, Record, number

SHARDS = "shards"


def check_shards(state: RawState) -> Iterator[Finding]:
    """Cursors, images and rejects of each shard."""
    positions, misplaced = _positions(state)
    yield from misplaced
    rejects: dict[str, list[Record]] = defaultdict(list)
    for _, reject in state.records("rejects"):
        rejects[reject["shard"]].append(reject)
    deleted: dict[str, list[int]] = defaultdict(list)
    for _, image in state.records("deleted"):
        deleted[image["shard"]].append(image["index"])
    for key, record in state.records("shards"):
        url = record["url"]
        digest = hashlib.blake2b(url.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest().encode()
        if digest != key:
            yield error(SHARDS, f"{url} is kept under the key of another shard")
        yield from _shard(record, positions.pop(url, []), rejects.pop(url, []), deleted.pop(url, []))
    for url in sorted({*positions, *rejects, *deleted}):
        yield error(SHARDS, f"images or rejects are of {url}, which has no record")


def _positions(state: RawState) -> tuple[dict[str, list[int]], list[Finding]]:
    """Positions of the images by shard; findings where an image's number contradicts the order of its shard."""
    positions: dict[str, list[int]] = defaultdict(list)
    findings = []
    for key, record in state.records("samples"):
        before = positions[record["shard"]]
        if before and record["index"] <= before[-1]:
            place = f"position {record['index']} of {record['shard']}"
            findings.append(error(SHARDS, f"image {number(key)} is {place}, which was stored before"))
        before.append(record["index"])
    return positions, findings


def _shard(record: Record, images: list[int], rejects: list[Record], deleted: list[int]) -> Iterator[Finding]:
    url, cursor = record["url"], record.get("cursor", 0)
    stored, rejected = record.get("stored", 0), record.get("rejected", 0)
    if stored != len(images):
        yield error(SHARDS, f"{url} says {stored} images, {len(images)} are stored")
    if rejected != len(rejects):
        yield error(SHARDS, f"{url} says {rejected} rejects, {len(rejects)} are kept")
    if record.get("deleted", 0) != len(deleted):
        yield error(SHARDS, f"{url} says {record.get('deleted', 0)} deleted images, {len(deleted)} are known")
    refused = [reject["index"] for reject in rejects if reject.get("index", -1) >= 0]
    places = Counter([*images, *deleted, *refused])
    twice = [place for place, times in places.items() if times > 1]
    if twice:
        yield error(SHARDS, f"{url}: position {min(twice)} was taken in {places[min(twice)]} times")
    beyond = [place for place in places if place >= cursor]
    if beyond:
        yield error(SHARDS, f"{url}: position {min(beyond)} is taken in beyond the cursor {cursor}")
    # A reject without a position is of a whole shard, of damage that the cursor waits at, or of an older version.
    missing = cursor - len(places.keys() - set(beyond))
    if missing > sum(reject.get("index", -1) < 0 for reject in rejects):
        yield error(SHARDS, f"{url}: {missing} of the {cursor} positions up to the cursor are lost")
