"""Correspondences between images through their shape, and how features draw them to where they belong.

A pixel goes to the point of the shape it shows, and from there into the other image. That says which of several legs
is meant, but is off by what both cameras are off. Features can't tell the legs apart, but say where exactly. So places
in a small window around the projected point are scored by how well their features agree with those of the pixel, less
a penalty for the distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from recon.canonical import Located
from recon.geometry import pixel_grid

_REACH, _STEPS = 0.3, 15
_SPREAD = 0.1
_CONTRAST = 10.0


@dataclass(frozen=True, slots=True)
class Looks:
    """What images look like.

    Attributes:
        features: ``(N, C, G, G)`` patch features of unit length.
        masks: ``(N, S, S)`` foreground in [0, 1].
    """

    features: Tensor
    masks: Tensor

    @classmethod
    def of(cls, features: Tensor, masks: Tensor) -> Looks:
        """From patch features ``(N, C, G, G)`` of any length and masks ``(N, S, S)`` of any kind."""
        return cls(F.normalize(features.float(), dim=1), masks.float())

    def at(self, image: Tensor) -> Tensor:
        """Features ``(N, P, C)`` of unit length at image points ``(N, P, 2)``."""
        found = F.grid_sample(self.features, image[:, :, None], align_corners=False, padding_mode="border")
        return F.normalize(found[..., 0].transpose(1, 2), dim=-1)

    def foreground(self, image: Tensor) -> Tensor:
        """Foreground ``(N, P)`` at image points ``(N, P, 2)``, 0 outside the crop."""
        return F.grid_sample(self.masks[:, None], image[:, :, None], align_corners=False)[:, 0, :, 0]


def draw_to_features(located: Located, wanted: Tensor, targets: Looks) -> Located:
    """Located points, each drawn to the place around it that agrees best.

    The window is 0.3 half crop sides to either side; being 0.1 off costs half a nat, as does a cosine lower by 0.05.
    Points that are hidden stay, since what is seen there is something else, and so do those with no foreground near.

    Args:
        located: in ``N`` images.
        wanted: ``(P, C)`` unit-length features to look for.
        targets: the ``N`` images.
    """
    offsets = _REACH * pixel_grid(_STEPS, wanted.device)
    places = located.image[:, :, None] + offsets
    count, points = places.shape[:2]
    flat = places.flatten(1, 2)
    seen = targets.at(flat).reshape(count, points, len(offsets), -1)
    score = _CONTRAST * torch.einsum("npoc,pc->npo", seen, wanted) - offsets.square().sum(-1) / (2 * _SPREAD**2)
    inside = (targets.foreground(flat) >= 0.5).reshape(score.shape)
    best, index = score.where(inside, -torch.inf).max(-1)
    drawn = located.image + offsets[index]
    moves = located.visible & best.isfinite()
    return Located(torch.where(moves[..., None], drawn, located.image), located.depth, located.visible)
