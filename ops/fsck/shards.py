"""Every position of a shard up to its cursor is one photo, stored or deleted, or one reject; its counts agree."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator

from ops.fsck.findings import Finding, error
from ops.fsck.raw import RawState, Record, number

SHARDS = "shards"
Place = tuple[int, int]
"""Position in the shard, and which object of the photo."""


def check_shards(state: RawState) -> Iterator[Finding]:
    """Cursors, images and rejects of each shard."""
    places, misplaced = _places(state)
    yield from misplaced
    rejects: dict[str, list[Record]] = defaultdict(list)
    for _, reject in state.records("rejects"):
        rejects[reject["shard"]].append(reject)
    deleted: dict[str, list[Place]] = defaultdict(list)
    for _, image in state.records("deleted"):
        deleted[image["shard"]].append(_place(image))
    for key, record in state.records("shards"):
        url = record["url"]
        digest = hashlib.blake2b(url.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest().encode()
        if digest != key:
            yield error(SHARDS, f"{url} is kept under the key of another shard")
        yield from _shard(record, places.pop(url, []), rejects.pop(url, []), deleted.pop(url, []))
    for url in sorted({*places, *rejects, *deleted}):
        yield error(SHARDS, f"images or rejects are of {url}, which has no record")


def _place(image: Record) -> Place:
    return int(image["index"]), int(image.get("object", 0))


def _places(state: RawState) -> tuple[dict[str, list[Place]], list[Finding]]:
    """Places of the images by shard; findings where an image's number contradicts the order of its shard."""
    places: dict[str, list[Place]] = defaultdict(list)
    findings = []
    for key, record in state.records("samples"):
        before, place = places[record["shard"]], _place(record)
        if before and place <= before[-1]:
            where = f"position {record['index']} of {record['shard']}"
            findings.append(error(SHARDS, f"image {number(key)} is {where}, which was stored before"))
        before.append(place)
    return places, findings


def _shard(record: Record, images: list[Place], rejects: list[Record], deleted: list[Place]) -> Iterator[Finding]:
    url, cursor = record["url"], record.get("cursor", 0)
    stored, rejected = record.get("stored", 0), record.get("rejected", 0)
    if stored != len(images):
        yield error(SHARDS, f"{url} says {stored} images, {len(images)} are stored")
    if rejected != len(rejects):
        yield error(SHARDS, f"{url} says {rejected} rejects, {len(rejects)} are kept")
    if record.get("deleted", 0) != len(deleted):
        yield error(SHARDS, f"{url} says {record.get('deleted', 0)} deleted images, {len(deleted)} are known")
    refused = [reject["index"] for reject in rejects if reject.get("index", -1) >= 0]
    taken = Counter([*images, *deleted])
    # The objects of a photo are numbered without gaps, so the photo is there as often as its first one.
    gaps = [position for position, object_ in taken if object_ and (position, object_ - 1) not in taken]
    if gaps:
        yield error(SHARDS, f"{url}: an object of position {min(gaps)} is lost")
    places = Counter(refused)
    for (position, object_), times in taken.items():
        places[position] += times - bool(object_)
    twice = [place for place, times in places.items() if times > 1]
    if twice:
        yield error(SHARDS, f"{url}: position {min(twice)} was taken in {places[min(twice)]} times")
    beyond = [place for place in places if place >= cursor]
    if beyond:
        yield error(SHARDS, f"{url}: position {min(beyond)} is taken in beyond the cursor {cursor}")
    # A reject without a position is of a whole shard, of damage that the cursor waits at, or of an older version.
    missing = cursor - len(places.keys() - set(beyond)) - record.get("elsewhere", 0)
    if missing > sum(reject.get("index", -1) < 0 for reject in rejects):
        yield error(SHARDS, f"{url}: {missing} of the {cursor} positions up to the cursor are lost")
    if missing < 0:
        yield error(SHARDS, f"{url}: {-missing} positions are counted as elsewhere and are here")
