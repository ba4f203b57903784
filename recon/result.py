"""What a reconstruction returns, and its bytes: safetensors with JSON metadata, no pickle."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor

from ops.errors import ReconstructionError
from recon.camera import Placement
from recon.evidence import FeatureBasis
from recon.types import CAMERA_ARRAYS, Alternatives, Cameras, Mesh, Quality, Verdict

SCHEMA = 1
NO_DENSITY: NDArray[np.uint8] = np.zeros((0, 0, 0), np.uint8)


@dataclass(frozen=True, slots=True)
class VoxelField:
    """Occupancy and reduced features on a cube around the object.

    Attributes:
        occupancy: ``(D, D, D)`` float16 in [0, 1], indexed z, y, x.
        voxels: ``(S,)`` int32 flat indices of the voxels that carry features.
        features: ``(S, K)`` float16 in the components of ``basis``.
        basis: principal components of the patch features.
        place: where the object frame lies in the cube.
        mirror: whether it was fitted as symmetric in x.
        floor: share of the score earned by silhouettes alone.
        density: ``(J, J, J)`` uint8, indexed z, y, x: the occupancy that a joint refinement came to, in 255ths, from
            which the next one goes on; ``(0, 0, 0)`` where there was none.
    """

    occupancy: NDArray[np.float16]
    voxels: NDArray[np.int32]
    features: NDArray[np.float16]
    basis: FeatureBasis
    place: Placement
    mirror: bool
    floor: float
    density: NDArray[np.uint8]

    def dense(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Occupancy ``(D, D, D)`` and features ``(D^3, K)`` as float32 tensors."""
        occupancy = torch.from_numpy(self.occupancy.astype(np.float32)).to(device)
        features = torch.zeros(occupancy.numel(), self.features.shape[1], device=device)
        rows = torch.from_numpy(self.voxels).to(device).long()
        features[rows] = torch.from_numpy(self.features.astype(np.float32)).to(device)
        return occupancy, features


@dataclass(frozen=True, slots=True)
class Shape:
    """The recovered object; its cameras are row for row those of ``Reconstruction.ids``.

    Attributes:
        cameras: of every view.
        field: what warm starts and registration need.
        mesh: the surface.
        quality: held-out agreement.
    """

    cameras: Cameras
    field: VoxelField
    mesh: Mesh
    quality: Quality


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Outcome of a reconstruction.

    Attributes:
        verdict: ``shape`` when a shape with trustworthy cameras was found. ``rotational_symmetry`` comes with a
            surface of revolution whose cameras' azimuths mean nothing. The others come without a shape.
        reason: one sentence for a person.
        ids: ``(N,)`` int64 of the views.
        shape: None unless the verdict is ``shape`` or ``rotational_symmetry``.
    """

    verdict: Verdict
    reason: str
    ids: NDArray[np.int64]
    shape: Shape | None

    def to_bytes(self) -> bytes:
        """Everything as one safetensors blob."""
        meta: dict[str, Any] = {"schema": SCHEMA, "verdict": self.verdict, "reason": self.reason}
        arrays: dict[str, NDArray[Any]] = {"ids": self.ids}
        if self.shape is not None:
            field, mesh = self.shape.field, self.shape.mesh
            meta |= {
                "quality": asdict(self.shape.quality),
                "place": asdict(field.place),
                "mirror": field.mirror,
                "floor": field.floor,
            }
            arrays |= {f"cameras.{k}": getattr(self.shape.cameras, k) for k in CAMERA_ARRAYS}
            if (others := self.shape.cameras.alternatives) is not None:
                arrays |= {f"alternatives.{k}": getattr(others, k) for k in Alternatives.__slots__}
            arrays |= {f"mesh.{k}": getattr(mesh, k) for k in Mesh.__slots__}
            arrays |= {f"field.{k}": getattr(field, k) for k in ("occupancy", "voxels", "features", "density")}
            arrays |= {
                f"basis.{k}": getattr(field.basis, k).cpu().numpy().astype(np.float16) for k in FeatureBasis.__slots__
            }
        blob: bytes = save(
            {k: np.ascontiguousarray(v) for k, v in arrays.items()}, {"reconstruction": json.dumps(meta)}
        )
        return blob

    @classmethod
    def from_bytes(cls, blob: bytes) -> Reconstruction:
        """Reads what :meth:`to_bytes` wrote.

        Raises:
            ReconstructionError: if the bytes are damaged or of another schema.
        """
        try:
            size = int.from_bytes(blob[:8], "little")
            meta = json.loads(json.loads(blob[8 : 8 + size])["__metadata__"]["reconstruction"])
            arrays = load(blob)
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ReconstructionError(f"stored reconstruction cannot be read: {error}") from error
        if meta["schema"] != SCHEMA:
            raise ReconstructionError(f"stored reconstruction has schema {meta['schema']}, not {SCHEMA}")
        shape = _shape(meta, arrays) if "quality" in meta else None
        return cls(meta["verdict"], meta["reason"], arrays["ids"], shape)


def _shape(meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Shape:
    basis = (torch.from_numpy(arrays[f"basis.{k}"].astype(np.float32)) for k in FeatureBasis.__slots__)
    place = meta["place"]
    field = VoxelField(
        occupancy=arrays["field.occupancy"],
        voxels=arrays["field.voxels"],
        features=arrays["field.features"],
        basis=FeatureBasis(*basis),
        place=Placement(tuple(place["centre"]), place["scale"], place["distance"]),
        mirror=meta["mirror"],
        floor=meta["floor"],
        density=arrays.get("field.density", NO_DENSITY),  # older ones have none
    )
    # Older ones have no alternatives.
    others = [arrays[k] for name in Alternatives.__slots__ if (k := f"alternatives.{name}") in arrays]
    kept = Alternatives(*others) if others else None
    cameras = Cameras(*(arrays[f"cameras.{k}"] for k in CAMERA_ARRAYS), alternatives=kept)
    mesh = Mesh(*(arrays[f"mesh.{k}"] for k in Mesh.__slots__))
    return Shape(cameras, field, mesh, Quality(**meta["quality"]))
