"""A finished library made by hand: perfect or damaged on purpose, for the tests of the benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh

from index.codec import encode_crop, encode_mask, encode_vector
from index.derived import derive
from index.jobs import MESH, ReconJob, ReconOutput
from index.publish import publish
from index.records import OUTLIER, CameraRecord, ClusterRecord, Counters, Identity, MicroRecord, SampleRecord
from index.store import SCHEMA, Store
from index.tables import (
    CLUSTER_MICROS,
    CLUSTERS,
    COUNTERS,
    CROPS,
    IDENTITY,
    MASKS,
    MICRO_SAMPLES,
    MICROS,
    SAMPLES,
    VECTORS,
)
from index.totals import recount
from index.views import CROP_SIZE
from ops.bench.truth import TrueImage, Truth

DIM = 8


def write_library(folder: Path, truth: Truth, strays: int = 0) -> None:
    """Stores every image in the cluster of its shape, but the first ``strays`` of all in none.

    Masks and cameras are the truth's, the crop is the whole image; each cluster has its true mesh published.
    """
    store = Store(folder, readonly=False, map_size_gib=0.1)
    images = sorted(truth.images.values(), key=lambda image: image.key)
    with store.write() as txn:
        txn.put_only(IDENTITY, Identity(SCHEMA, "by hand", "f", DIM, "by hand", 0.0))
        txn.put_only(COUNTERS, Counters(next_sample=len(images), stored=len(images)))
        for sample, image in enumerate(images):
            micro = truth.shapes.index(image.shape) if sample >= strays else 100 + sample
            record = SampleRecord(image.key, "s", sample, "", 96, 96, (0, 0, 96, 96), 0.5, "", micro, 1.0, 0.0)
            txn.put(SAMPLES, sample, record)
            txn.put(MICRO_SAMPLES, (micro, sample), b"")
            txn.put(MICROS, micro, MicroRecord(micro, 1, micro if sample >= strays else OUTLIER))
            txn.put(VECTORS, sample, encode_vector(_vector(truth.shapes.index(image.shape), sample)))
            txn.put(CROPS, sample, encode_crop(np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)))
            txn.put(MASKS, sample, encode_mask(_enlarged(truth.mask(image.key))))
        for number, shape in enumerate(truth.shapes):
            members = [i for i, image in enumerate(images) if image.shape == shape and i >= strays]
            txn.put(CLUSTERS, number, ClusterRecord(size=len(members)))
            txn.put(CLUSTER_MICROS, (number, number), b"")
            cameras = [_camera(i, images[i]) for i in members]
            publish(txn, _output(number, truth.mesh(shape), cameras))
        recount(txn)
        derive(txn)
    store.close()


def _vector(shape: int, sample: int) -> np.ndarray:
    vector = np.eye(DIM)[shape] + 0.1 * np.random.default_rng(sample).normal(size=DIM)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _enlarged(mask: np.ndarray) -> np.ndarray:
    cells = ((np.arange(CROP_SIZE) + 0.5) * len(mask) / CROP_SIZE).astype(int)
    return mask[np.ix_(cells, cells)]


def _camera(sample: int, image: TrueImage) -> CameraRecord:
    assert image.camera is not None
    R = tuple(tuple(row) for row in image.camera.R.tolist())
    t = tuple(image.camera.t.tolist())
    return CameraRecord(sample, R, t, float(np.degrees(image.camera.fov)), (0.0, 0.0), 0.1, 1.0)  # type: ignore[arg-type]


def _output(cluster: int, mesh: trimesh.Trimesh, cameras: list[CameraRecord]) -> ReconOutput:
    return ReconOutput(
        job=ReconJob(cluster, len(cameras), 0, float("inf")),
        verdict="shape",
        reason="made by hand",
        loss=0.1,
        baseline_loss=1.0,
        silhouette_iou=0.9,
        feature_distance=0.1,
        views=len(cameras),
        warm=False,
        seconds=1.0,
        cameras=cameras,
        artifacts={MESH: mesh.export(file_type="ply")},
    )
