"""Versions of a shape rise, their files are complete, and the published one is the newest that was published."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator

import msgspec

from ops.fsck.findings import Finding, error
from ops.fsck.raw import RawState, Record, number, numbers, packed

SHAPES = "shapes"
_MAGIC = {"mesh.ply": b"ply\n", "preview.png": b"\x89PNG\r\n\x1a\n"}
_FIELD = "field.safetensors"
_FILES = frozenset({_FIELD, *_MAGIC})
_KEYPOINTS = "keypoints.json"
_FORM = "form.bin"
_LATER = frozenset({_KEYPOINTS, _FORM})  # versions of before there were any have none
_FORM_BYTES = 2016  # 12 heights, 6 radii, 7 harmonics, two half-precision numbers each
_WITH_FILES = frozenset({"published", "candidate", "not_better"})  # the last is what schemas below 5 say


def check_shapes(state: RawState) -> Iterator[Finding]:
    """Every version of every shape, and that no file or camera is without one."""
    versions: dict[int, list[Record]] = defaultdict(list)
    for key, record in state.records("shapes"):
        cluster, version = numbers(key, 2)
        if (record["cluster"], record["version"]) != (cluster, version):
            yield error(SHAPES, f"version {version} of shape {cluster} is kept under the key of another")
        versions[cluster].append(record)
        if record.get("source", 0):
            yield from _source(state, cluster, version, record["source"])
            continue
        yield from _files(state, cluster, version, record["outcome"])
        yield from _cameras(state, cluster, version, record["outcome"])
    for table in ("cameras", "artifacts"):
        for place in sorted({key[:16] for key in state.keys(table)}):
            if state.get("shapes", place) is None:
                cluster, version = numbers(place, 2)
                yield error(SHAPES, f"{table} of version {version} of shape {cluster}, which does not exist")
    for key, record in state.records("clusters"):
        yield from _history(number(key), record, versions.pop(number(key), []))
    for cluster in sorted(versions):
        yield error(SHAPES, f"there are versions of shape {cluster} without a cluster")
    yield from _seeds(state)


def _seeds(state: RawState) -> Iterator[Finding]:
    """A cluster may start from shapes of clusters that it came out of or took in, as far as these still exist."""
    parents: dict[int, set[int]] = defaultdict(set)
    for _, event in state.records("lineage"):
        for other in event["others"]:
            parents[event["cluster"]] |= {other, *parents[other]}
    for key, record in state.records("clusters"):
        for cluster, version in record.get("seeds", ()):
            found = state.record("shapes", packed(cluster, version))
            if cluster not in parents[number(key)]:
                yield error(SHAPES, f"cluster {number(key)} would start from shape {cluster}, no parent of its own")
            gone = not any(True for _ in state.keys("shapes", packed(cluster)))
            if not gone and (found is None or found["outcome"] != "published" or found.get("source", 0)):
                yield error(SHAPES, f"cluster {number(key)} would start from version {version} of shape {cluster}")


def _history(cluster: int, record: Record, versions: list[Record]) -> Iterator[Finding]:
    found = [version["version"] for version in versions]
    if found != list(range(1, len(found) + 1)):
        yield error(SHAPES, f"versions of shape {cluster} are {found}, they should rise from 1 without gaps")
    published = [version for version in versions if version["outcome"] == "published"]
    newest = published[-1]["version"] if published else 0
    if record.get("version", 0) != newest:
        yield error(SHAPES, f"shape {cluster} points to version {record.get('version', 0)}, published is {newest}")
    moments = [version.get("at", 0) for version in versions]
    if moments != sorted(moments):
        yield error(SHAPES, f"versions of shape {cluster} are not in the order of the stream")
    tried = [version for version in versions if not version.get("source", 0)]
    if len(tried) + record.get("failures", 0) > record.get("attempts", 0):
        yield error(SHAPES, f"shape {cluster} has more versions and failures than attempts")


def _source(state: RawState, cluster: int, version: int, source: int) -> Iterator[Finding]:
    """A version that stands for an earlier one has no files of its own."""
    earlier = state.record("shapes", packed(cluster, source))
    if source >= version or earlier is None or earlier["outcome"] != "published" or earlier.get("source", 0):
        yield error(SHAPES, f"version {version} of shape {cluster} stands for version {source}, which has no files")
    if any(True for table in ("cameras", "artifacts") for _ in state.items(table, packed(cluster, version))):
        yield error(SHAPES, f"version {version} of shape {cluster} stands for another and has files of its own")


def _files(state: RawState, cluster: int, version: int, outcome: str) -> Iterator[Finding]:
    head = packed(cluster, version)
    files = {key[16:].decode("utf-8", "replace"): raw for key, raw in state.items("artifacts", head)}
    wanted = _FILES if outcome in _WITH_FILES else frozenset()
    if files.keys() - _LATER != wanted or (files.keys() & _LATER and not wanted):
        listed = ", ".join(sorted(files)) or "none"
        yield error(SHAPES, f"version {version} of shape {cluster} ({outcome}) has the files {listed}")
    for name, raw in files.items():
        if not _is_whole(name, raw):
            yield error(SHAPES, f"{name} of version {version} of shape {cluster} is damaged")


def _is_whole(name: str, raw: bytes) -> bool:
    if name == _FIELD:
        return _is_safetensors(raw)
    if name == _FORM:
        return len(raw) == _FORM_BYTES
    return _is_keypoints(raw) if name == _KEYPOINTS else raw.startswith(_MAGIC.get(name, b""))


def _is_keypoints(raw: bytes) -> bool:
    """As many places as keypoints in each image, and edges and deformations of these alone."""
    try:
        found = msgspec.json.decode(raw)
        count = len(found["points"])
        lengths = [len(sight[name]) for sight in found["sights"] for name in ("places", "visible")]
        lengths += [len(basis) for basis in found["bases"]]
        ends = [end for edge in found["edges"] for end in edge]
    except (msgspec.DecodeError, KeyError, TypeError):
        return False
    return count > 0 and set(lengths) <= {count} and set(ends) <= set(range(count))


def _is_safetensors(raw: bytes) -> bool:
    """The header of a safetensors file: its length as 8 bytes, then JSON with the extent of each tensor."""
    if len(raw) < 8:
        return False
    (length,) = struct.unpack("<Q", raw[:8])
    try:
        header = msgspec.json.decode(raw[8 : 8 + length])
        ends = [value["data_offsets"][1] for name, value in header.items() if name != "__metadata__"]
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError, IndexError):
        return False
    return bool(8 + length + max(ends, default=0) == len(raw))


def _cameras(state: RawState, cluster: int, version: int, outcome: str) -> Iterator[Finding]:
    where = f"cameras of version {version} of shape {cluster}"
    raw = state.get("cameras", packed(cluster, version))
    try:
        cameras = msgspec.msgpack.decode(raw or b"")
        images = [int(camera["sample"]) for camera in cameras]
    except (msgspec.DecodeError, TypeError, KeyError):
        yield error(SHAPES, f"{where} are missing or damaged")
        return
    # A version stays as it was published, so images that were deleted since may be among its own.
    known = (state.get("samples", packed(i)) is not None or state.get("deleted", packed(i)) is not None for i in images)
    if len(set(images)) != len(images) or not all(known):
        yield error(SHAPES, f"{where} are of an image that is not stored, or of one twice")
    if outcome == "published" and not images:
        yield error(SHAPES, f"{where}: there are none")
