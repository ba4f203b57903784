"""A shape that is made up: a ball of random features, to which registering takes as long as to any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from index.jobs import FIELD, MESH
from index.records import ClusterRecord, ShapeRecord
from index.store import Store
from index.tables import ARTIFACTS, CLUSTERS, SHAPES
from index.totals import write_cluster
from ops.bench.geometry import sphere
from recon import Cameras, FeatureBasis, Mesh, Placement, Quality, Reconstruction, Shape, VoxelField, mesh_to_bytes
from recon.config import ReconConfig
from recon.evidence import PIXELS
from recon.result import NO_DENSITY
from recon.volume import HALF_EXTENT

_MAP_GIB = 8.0


def publish_ball(folder: Path, cluster: int, channels: int) -> None:
    """Publishes it as the shape of a cluster; nothing else may write to the state.

    Args:
        folder: state directory.
        cluster: whose shape it becomes.
        channels: of the patch features that images will be registered with.
    """
    found = ball(channels)
    assert found.shape is not None
    store = Store(folder, readonly=False, map_size_gib=_MAP_GIB)
    with store.write() as txn:
        before = txn.get(CLUSTERS, cluster) or ClusterRecord()
        record = ShapeRecord(cluster, 1, "published", "shape", "made up", 16, 0.5, 1.0, 0.8, 0.2, False, 1.0)
        txn.put(SHAPES, (cluster, 1), record)
        txn.put(ARTIFACTS, (cluster, 1, FIELD), found.to_bytes())
        txn.put(ARTIFACTS, (cluster, 1, MESH), mesh_to_bytes(found.shape.mesh, "ply"))
        write_cluster(txn, cluster, ClusterRecord(before.size, verdict="shape", version=1, loss=0.5))
    store.close()


def ball(channels: int) -> Reconstruction:
    """The ball, at the resolution and with as many components as shapes have by default."""
    config = ReconConfig()
    resolution, dims = config.fine.resolution, config.feature_dims
    random = np.random.default_rng(0)
    line = (np.arange(resolution) + 0.5) * (2 / resolution) - 1
    away = np.sqrt(sum(axis**2 for axis in np.meshgrid(line, line, line)))
    voxels = np.flatnonzero(np.abs(away - HALF_EXTENT) < 2 / resolution).astype(np.int32)
    features = random.normal(size=(len(voxels), dims)).astype(np.float16)
    basis = FeatureBasis(
        torch.zeros(channels), torch.randn(channels, dims, generator=torch.Generator().manual_seed(0)),
        torch.zeros(PIXELS**2, dims),
    )  # fmt: skip
    place = Placement((0.0, 0.0, 0.0), 2 * HALF_EXTENT, HALF_EXTENT / np.tan(np.radians(config.object_fov) / 2))
    field = VoxelField((away < HALF_EXTENT).astype(np.float16), voxels, features, basis, place, True, 0.3, NO_DENSITY)
    body = sphere(0.5)
    grey = np.full((len(body.vertices), 3), 128, np.uint8)
    mesh = Mesh(np.asarray(body.vertices, np.float32), np.asarray(body.faces, np.int32), grey)
    none = Cameras(*(np.zeros((0, *shape), np.float32) for shape in ((3, 3), (3,), (), (2,), (), ())))
    shape = Shape(none, field, mesh, Quality(0.5, 0.8, 0.2, 16))
    return Reconstruction("shape", "made up", np.zeros(0, np.int64), shape)
