"""A small, deterministic shape library, written straight through the store."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from index.codec import encode_crop, encode_mask, encode_vector
from index.derived import derive
from index.jobs import FIELD, MESH, PREVIEW
from index.records import (
    OUTLIER,
    CameraRecord,
    ClusterRecord,
    Counters,
    Identity,
    LineageRecord,
    MicroRecord,
    RejectRecord,
    SampleRecord,
    ShapeRecord,
    ShardRecord,
)
from index.store import SCHEMA, Store, Transaction, claim_identity
from index.tables import (
    ARTIFACTS,
    CAMERAS,
    CLUSTER_MICROS,
    CLUSTERS,
    COUNTERS,
    CROPS,
    LINEAGE,
    MASKS,
    MICRO_SAMPLES,
    MICROS,
    REJECTS,
    SAMPLE_KEYS,
    SAMPLES,
    SHAPES,
    SHARDS,
    VECTORS,
    digest,
    encode_key,
)
from index.totals import recount
from index.views import CROP_SIZE

FINGERPRINT = "f00dfeed"
TIME = 1_700_000_000.0


@dataclass(frozen=True)
class Plan:
    """What the library holds.

    Attributes:
        sizes: images of each cluster, from id 1 on.
        versions: published version of each cluster's shape, 0 for none.
        outliers: images in no cluster.
        rejects: reasons of refused samples.
        dim: length of a descriptor.
    """

    sizes: tuple[int, ...] = (6, 4, 2)
    versions: tuple[int, ...] = (2, 1, 0)
    outliers: int = 2
    rejects: tuple[str, ...] = ("broken_image", "too_small", "broken_image")
    dim: int = 8


def make_library(folder: Path, plan: Plan | None = None) -> Path:
    """Writes a library into a folder and gives the folder back."""
    plan = plan or Plan()
    store = Store(folder, readonly=False, map_size_gib=0.1)
    claim_identity(store, Identity(SCHEMA, "embedded", FINGERPRINT, plan.dim, "linkage", TIME))
    with store.write() as txn:
        stored = _write_images(txn, plan)
        _write_shapes(txn, plan)
        for number, reason in enumerate(plan.rejects):
            txn.put(REJECTS, number, RejectRecord("/crawl/0.tar", f"bad{number}", reason, "a [bold] reason", TIME))
        txn.put(SHARDS, digest("/crawl/0.tar"), ShardRecord("/crawl/0.tar", stored, True, 1000, stored, 3))
        reconstructions = sum(plan.versions)
        txn.put_only(
            COUNTERS,
            Counters(stored, len(plan.rejects), len(plan.sizes), stored, len(plan.rejects), 0, reconstructions),
        )
        recount(txn)
        derive(txn)
    store.close()
    return folder


def direction(cluster: int, dim: int = 8) -> NDArray[np.float32]:
    """Descriptor at the centre of a cluster; 0 is where outliers are."""
    return np.eye(dim, dtype=np.float32)[cluster]


def box_ply(sides: tuple[float, float, float] = (1.0, 0.6, 0.4)) -> bytes:
    """A box in the object frame as binary PLY with vertex colours."""
    mesh = trimesh.creation.box(extents=sides)
    shade = np.clip((mesh.vertices + 0.5) * 255, 0, 255).astype(np.uint8)
    mesh.visual.vertex_colors = np.concatenate([shade, np.full((len(shade), 1), 255, np.uint8)], axis=1)
    return bytes(mesh.export(file_type="ply"))


def png(colour: tuple[int, int, int] = (90, 140, 190), side: int = 64) -> bytes:
    """A picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, "PNG")
    return buffer.getvalue()


def _write_images(txn: Transaction, plan: Plan) -> int:
    owners = [cluster for cluster, size in enumerate(plan.sizes, 1) for _ in range(size)] + [0] * plan.outliers
    random = np.random.default_rng(0)
    for sample, cluster in enumerate(owners):
        micro = cluster or 100 + sample  # one micro-cluster a cluster; outliers have one each, in no cluster
        vector = direction(cluster, plan.dim) + random.normal(0, 0.05, plan.dim).astype(np.float32)
        crop = np.full((CROP_SIZE, CROP_SIZE, 3), (40 + 30 * cluster) % 256, np.uint8)
        record = SampleRecord(
            f"{sample:06d}", "/crawl/0.tar", sample, f"https://example.org/{sample}.jpg", 640, 480,
            (10.0, 20.0, 410.0, 420.0), 0.3, f"{sample:064d}", micro, 0.9, TIME,
        )  # fmt: skip
        txn.put(SAMPLES, sample, record)
        txn.put(SAMPLE_KEYS, record.sha256, encode_key(sample))
        txn.put(VECTORS, sample, encode_vector(vector / np.linalg.norm(vector)))
        txn.put(CROPS, sample, encode_crop(crop))
        txn.put(MASKS, sample, encode_mask(np.ones((CROP_SIZE, CROP_SIZE), bool)))
        txn.put(MICRO_SAMPLES, (micro, sample), b"")
        txn.put(MICROS, micro, MicroRecord(micro, 1, cluster or OUTLIER))
        if cluster:
            txn.put(CLUSTER_MICROS, (cluster, micro), b"")
    return len(owners)


def _write_shapes(txn: Transaction, plan: Plan) -> None:
    first = 0
    for cluster, (size, published) in enumerate(zip(plan.sizes, plan.versions, strict=True), 1):
        verdict, reason = ("shape", "") if published else ("too_few_views", "needs 16 images")
        txn.put(
            CLUSTERS, cluster,
            ClusterRecord(size, first, "open", size, max(1, published), 0, verdict, reason, published),
        )  # fmt: skip
        txn.put(LINEAGE, cluster - 1, LineageRecord("created", cluster, (), first, TIME))
        for version in range(1, published + 1):
            _write_version(txn, cluster, version, range(first, first + size))
        first += size


def _write_version(txn: Transaction, cluster: int, version: int, samples: range) -> None:
    place = (cluster, version)
    loss, level = 0.3 / version, 0.3
    for later in range(2, version + 1):
        level *= 0.3 / later
    record = ShapeRecord(
        cluster, version, "published", "shape", "consistent views", len(samples), loss, 1.0, 0.8, 0.2,
        version > 1, 12.5, 8, 12, samples.stop, TIME,
        before=version - 1, judge="fit" if version > 1 else "", level=level,
    )  # fmt: skip
    identity = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    cameras = [CameraRecord(s, identity, (0.0, 0.0, 3.0), 40.0, (0.0, 0.0), 0.1, 1.0) for s in samples]
    txn.put(SHAPES, place, record)
    txn.put(CAMERAS, place, cameras)
    for name, data in ((FIELD, b"field"), (MESH, box_ply((1.0, 0.6, 0.2 * version))), (PREVIEW, png())):
        txn.put(ARTIFACTS, (*place, name), data)
