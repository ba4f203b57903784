"""What a joint refinement fits: one interface, several ways to keep densities and features."""

from __future__ import annotations

from torch import Tensor

from recon.config import FieldKind
from recon.fields.base import Field
from recon.fields.mlp import MlpField
from recon.fields.raymarch import march, occupied, ray_points
from recon.fields.tensorf import TensorField
from recon.fields.voxel import GridField

__all__ = ["Field", "GridField", "MlpField", "TensorField", "make_field", "march", "occupied", "ray_points"]

_KINDS: dict[FieldKind, type[GridField] | type[TensorField] | type[MlpField]] = {
    "voxel": GridField,
    "tensorf": TensorField,
    "mlp": MlpField,
}


def make_field(kind: FieldKind, logits: Tensor, dims: int, *, mirror: bool, seed: int) -> Field:
    """A field that begins as a grid of densities.

    Args:
        kind: how it is kept.
        logits: ``(D, D, D)`` densities to begin with, before their softplus, indexed z, y, x.
        dims: feature components.
        mirror: whether densities are the same on both sides of x = 0.
        seed: of its random parts.
    """
    return _KINDS[kind](logits, dims, mirror=mirror, seed=seed)
