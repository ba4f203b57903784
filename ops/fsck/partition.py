"""Every image is in exactly one micro-cluster, every micro-cluster in one cluster or none, and all sums agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from ops.fsck.findings import Finding, error
from ops.fsck.images import image_vector
from ops.fsck.raw import RawState, number, numbers, packed

MICROS, CLUSTERS, CLUSTERER = "micro-clusters", "clusters", "clusterer"
_OUTLIER = -1
_TOLERANCE = 1e-3  # float32 sums of unit vectors, per vector


def check_micros(state: RawState) -> Iterator[Finding]:
    """Images and micro-clusters name each other, and a micro-cluster's sum is that of its images' vectors."""
    expected = 0
    for key, record in state.records("micros"):
        micro = number(key)
        if micro != expected or record["id"] != micro:
            yield error(MICROS, f"micro-cluster {micro} (id {record['id']}) comes where {expected} should")
        expected = micro + 1
        yield from _members(state, micro, record)
    for key in state.keys("micro_sums"):
        if state.get("micros", key) is None:
            yield error(MICROS, f"there is a sum of micro-cluster {number(key)}, which does not exist")
    yield from _orphans(state)


def _members(state: RawState, micro: int, record: dict[str, Any]) -> Iterator[Finding]:
    count = record["count"]
    images = [numbers(key, 2)[1] for key in state.keys("micro_samples", packed(micro))]
    if len(images) != count:
        yield error(MICROS, f"micro-cluster {micro} counts {count} images and lists {len(images)}")
        return
    older = "total" in record  # below schema 7 each has its sum
    total = record["total"] if older else state.get("micro_sums", packed(micro))
    if count < 2 and not older and total is not None:
        yield error(MICROS, f"micro-cluster {micro} has a sum beside that of its {count} vectors")
    if not count or (count < 2 and not older):
        return  # a person deleted all that was in it, or the sum is the image's own vector
    vectors = [vector for image in images if (vector := image_vector(state, image)) is not None]
    unit = [vector / max(float(np.linalg.norm(vector)), 1e-12) for vector in vectors]
    found = np.frombuffer(total[: len(total) // 4 * 4] if total else b"", "<f4")
    if not unit or found.shape != unit[0].shape or not np.allclose(found, sum(unit), atol=_TOLERANCE * count):
        yield error(MICROS, f"the sum of micro-cluster {micro} is not that of its {count} vectors")


def _orphans(state: RawState) -> Iterator[Finding]:
    for key, record in state.records("samples"):
        if state.get("micro_samples", packed(record["micro"]) + key) is None:
            yield error(MICROS, f"image {number(key)} is not listed in its micro-cluster {record['micro']}")
    listed = Counter(numbers(key, 2)[1] for key in state.keys("micro_samples"))
    for image, times in sorted(listed.items()):
        if times > 1:
            yield error(MICROS, f"image {image} is listed in {times} micro-clusters")
        if state.get("samples", packed(image)) is None:
            yield error(MICROS, f"image {image} is listed in a micro-cluster and not stored")
    for micro in sorted({numbers(key, 2)[0] for key in state.keys("micro_samples")}):
        if state.get("micros", packed(micro)) is None:
            yield error(MICROS, f"images are listed in micro-cluster {micro}, which does not exist")


def check_clusters(state: RawState) -> Iterator[Finding]:
    """Clusters and micro-clusters name each other, sizes add up, and a cluster is open while it has images."""
    sizes: Counter[int] = Counter()
    for key, record in state.records("micros"):
        cluster = record["cluster"]
        if cluster in record.get("barred", ()):
            yield error(CLUSTERS, f"micro-cluster {number(key)} is in cluster {cluster}, which it was handed back from")
        if cluster == _OUTLIER:
            continue
        sizes[cluster] += record["count"]
        if state.get("cluster_micros", packed(cluster) + key) is None:
            yield error(CLUSTERS, f"micro-cluster {number(key)} is not listed in its cluster {cluster}")
    for key in state.keys("cluster_micros"):
        cluster, micro = numbers(key, 2)
        found = state.record("micros", packed(micro))
        if found is None or found["cluster"] != cluster:
            yield error(CLUSTERS, f"cluster {cluster} lists micro-cluster {micro}, which is not in it")
    for key, record in state.records("clusters"):
        yield from _size(number(key), record.get("size", 0), record.get("state", "open"), sizes.pop(number(key), 0))
    for cluster in sorted(sizes):
        yield error(CLUSTERS, f"images are in cluster {cluster}, which has no record")


def _size(cluster: int, size: int, condition: str, counted: int) -> Iterator[Finding]:
    if size != counted:
        yield error(CLUSTERS, f"cluster {cluster} says {size} images and holds {counted}")
    if condition != ("open" if counted else "retired"):
        yield error(CLUSTERS, f"cluster {cluster} is {condition} with {counted} images")


def check_clusterer(state: RawState) -> Iterator[Finding]:
    """The clusterer has learnt as many images as are stored and gives out no cluster id twice."""
    if state.get("clusterer", b"learnt") is None:
        return  # a clusterer that is restored by learning the vectors again keeps nothing here
    learnt, following = (_scalar(state, name) for name in (b"learnt", b"next_cluster"))
    if learnt != state.count("samples"):
        yield error(CLUSTERER, f"the clusterer has learnt {learnt} images, {state.count('samples')} are stored")
    highest = max(map(number, state.keys("clusters")), default=0)
    if following is None or following <= highest:
        yield error(CLUSTERER, f"the next cluster would be {following}, but cluster {highest} exists")


def _scalar(state: RawState, name: bytes) -> int | None:
    try:
        found = msgspec.msgpack.decode(state.get("clusterer", name) or b"")
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, int) else None
