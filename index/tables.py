"""The tables of the LMDB store: their names, how keys are laid out and what a value is.

Integer keys are big-endian, so LMDB's byte order is numeric order; a composite key is its parts in a row,
so all entries under one first part are one contiguous range.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from index.records import (
    CameraRecord,
    ChangeRecord,
    ClusterRecord,
    Counters,
    DeletedRecord,
    Identity,
    LineageRecord,
    MicroRecord,
    RejectRecord,
    SampleRecord,
    ShapeRecord,
    ShardRecord,
)

T = TypeVar("T")
Key = int | str | tuple[int | str, ...]
MAX_U64 = 2**64 - 1
_LONGEST_NAME = 400  # bytes; LMDB takes 511 a key


_NUMBER = struct.Struct(">Q")
_TWO = struct.Struct(">QQ")


def _part(value: int | str) -> bytes:
    return _NUMBER.pack(value) if isinstance(value, int) else value.encode()


def encode_key(key: Key) -> bytes:
    """Lays a key out so that byte order is the order of its parts."""
    if isinstance(key, tuple):
        if len(key) == 2 and isinstance(key[0], int) and isinstance(key[1], int):
            return _TWO.pack(*key)  # most of those that a batch writes
        return b"".join(map(_part, key))
    return _part(key)  # most keys, and a query looks up hundreds


def decode_key(raw: bytes) -> int:
    """The number of a key of one integer."""
    return int.from_bytes(raw, "big")


def digest(*parts: str) -> str:
    """A fixed-length stand-in for text that may exceed LMDB's limit of 511 bytes a key."""
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def shard_place(url: str) -> str:
    """Where a shard comes in the order of URLs; of very long ones only the beginning counts."""
    return f"{url.encode('utf-8', 'replace')[:_LONGEST_NAME].decode('utf-8', 'ignore')}\0{digest(url)}"


@dataclass(frozen=True)
class Table(Generic[T]):
    """A named LMDB database whose values are all of one type (``bytes`` are stored as they are).

    One with a number of its own above 0 has its changes gathered first, see `index.late`.
    """

    name: str
    type: type[T]
    late: int = 0

    def encode(self, value: T) -> bytes:
        """The stored form of a value."""
        return value if isinstance(value, bytes) else msgspec.msgpack.encode(value)

    def decode(self, raw: bytes) -> T:
        """The value a stored form stands for.

        Raises:
            msgspec.DecodeError: the bytes are not such a record.
        """
        if self.type is bytes:
            return raw  # type: ignore[return-value]
        return msgspec.msgpack.decode(raw, type=self.type)


IDENTITY = Table("identity", Identity)
COUNTERS = Table("counters", Counters)
CLUSTERER = Table("clusterer", bytes)
"""name -> a value of the clusterer's state beside its micro-clusters, as MessagePack."""
SHARDS = Table("shards", ShardRecord)
"""digest(url) -> how far it has been committed."""
SAMPLES = Table("samples", SampleRecord)
"""sample -> where it came from."""
SAMPLE_KEYS = Table("sample_keys", bytes)
"""digest(shard, key), and SHA-256 of the encoded image -> sample, packed; keep an image from being stored twice."""
VECTORS = Table("vectors", bytes)
"""sample -> descriptor as float16."""
CROPS = Table("crops", bytes)
"""sample -> object crop as JPEG."""
MASKS = Table("masks", bytes)
"""sample -> mask of the crop, bits packed and deflated."""
REJECTS = Table("rejects", RejectRecord)
"""running number -> what was refused and why."""
MICROS = Table("micros", MicroRecord)
"""micro-cluster -> the clusterer's record of it."""
MICRO_SUMS = Table("micro_sums", bytes)
"""micro-cluster of several images -> sum of their unit vectors as little-endian float32."""
MICRO_SAMPLES = Table("micro_samples", bytes)
"""(micro-cluster, sample) -> digest of the sample's shard."""
CLUSTER_MICROS = Table("cluster_micros", bytes, late=3)
"""(cluster, micro-cluster) -> nothing."""
CLUSTERS = Table("clusters", ClusterRecord, late=4)
"""cluster -> its size and the state of its shape."""
LINEAGE = Table("lineage", LineageRecord)
"""running number -> a cluster appeared, merged or split."""
SHAPES = Table("shapes", ShapeRecord)
"""(cluster, version) -> figures of that version."""
CAMERAS = Table("cameras", list[CameraRecord])
"""(cluster, version) -> cameras of the member images."""
ARTIFACTS = Table("artifacts", bytes)
"""(cluster, version, name) -> field, mesh and previews as files."""
SIGNATURES = Table("signatures", bytes)
"""sample -> hash of the whole image, 8 bytes, and its thumbnail; see `index.stream.signature`."""
DELETED = Table("deleted", DeletedRecord)
"""sample -> where it was, so that it does not come back."""
QUARANTINED = Table("quarantined", bytes)
"""sample that a person put in quarantine -> nothing."""
CHANGES = Table("changes", ChangeRecord)
"""running number -> what changed, and the totals after it."""

# What follows is derived from the tables above, so that no list has to look through one of them.
LISTS = Table("lists", bytes, late=1)
"""(list, rank, cluster) -> nothing; see `index.lists`."""
LABELS = Table("labels", bytes, late=2)
"""(digest of a label, cluster) -> how many of its images have it, for sources; nothing for the others."""
SOURCE_SAMPLES = Table("source_samples", bytes)
"""(digest(url), sample) -> nothing."""
SHARD_NAMES = Table("shard_names", bytes)
"""`shard_place` of a shard -> its key in `SHARDS`."""
REASONS = Table("reasons", bytes)
"""(digest(reason), reject) -> nothing."""
SIGNATURE_BANDS = Table("signature_bands", bytes)
"""(band and its 16 bits of the hash, sample) -> the hash, 8 bytes."""
COPIES = Table("copies", bytes)
"""(sample, reject that is a copy of it) -> nothing."""
CLUSTER_LINEAGE = Table("cluster_lineage", bytes)
"""(cluster, number of an event that it took part in) -> nothing."""
CLUSTER_CHANGES = Table("cluster_changes", bytes)
"""(cluster, number of a change that it took part in) -> nothing."""
LATE = Table("late", bytes)
"""number of a table and a key of it -> a change that is not applied yet; see `index.late`."""

ALL_TABLES: tuple[Table[object], ...] = (
    IDENTITY, COUNTERS, CLUSTERER, SHARDS, SAMPLES, SAMPLE_KEYS, VECTORS, CROPS, MASKS, REJECTS,
    MICROS, MICRO_SUMS, MICRO_SAMPLES, CLUSTER_MICROS, CLUSTERS, LINEAGE, SHAPES, CAMERAS, ARTIFACTS, DELETED,
    QUARANTINED, CHANGES,
    LISTS, LABELS, SOURCE_SAMPLES, SHARD_NAMES, REASONS, CLUSTER_LINEAGE, CLUSTER_CHANGES,
    SIGNATURES, SIGNATURE_BANDS, COPIES, LATE,
)  # type: ignore[assignment]  # fmt: skip
