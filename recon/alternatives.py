"""How sure the pose of a view is, and where else the view may have been taken from.

Fronts look like backs, and tables alike from all four sides: the best of a view's scores is then hardly better than
the next peak far away from it. How far it is above that says something of the view, and its mean over all views more
of the shape: where a search went astray, other poses explain its views nearly as well. docs/design.md has the figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recon.camera import Placement, seen_from
from recon.em import Model
from recon.evidence import Evidence
from recon.geometry import rotation
from recon.types import Alternatives, Cameras

AZIMUTHS, ELEVATIONS = 48, 8
"""Grid of poses that are weighed."""

PLACING_FLOOR = 0.05
"""Share of silhouettes in the score that poses are weighed by; they differ between instances, and say less of sides."""

MOST = 3
"""Alternatives of a view."""

APART = math.radians(30)
"""Angle from which on two poses are two answers and not one."""

_OF_VIEW, _OF_SHAPE, _BIAS = 0.24, 2.2, -1.1
"""Logistic regression of right poses, within 30 degrees, on a view's margin and its shape's mean one."""

_OTHERS = 0.5
"""Odds that a pose which is wrong should have been one of the alternatives."""
_CLEAR = 6.0
_SHARPNESS = 1.5  # log odds of an alternative for each standard deviation of its score


@dataclass(frozen=True, slots=True)
class Modes:
    """Peaks of views' scores over a grid of poses, far from their own poses and from each other.

    Attributes:
        index: ``(N, MOST)`` candidates, the highest first.
        below: ``(N, MOST)`` how far below a view's own pose they score, in standard deviations of its scores over all
            poses; infinite where there is no such peak.
    """

    index: Tensor
    below: Tensor

    @property
    def margin(self) -> Tensor:
        """``(N,)`` how far the first is below; at most `_CLEAR`, where nothing else is a peak."""
        return self.below[:, 0].clamp(max=_CLEAR)


def find_modes(scores: Tensor, candidates: Tensor, angles: Tensor) -> Modes:
    """The peaks of scores ``(N, AZIMUTHS * ELEVATIONS)`` over the grid's ``candidates``, but for those near ``angles``.

    Args:
        scores: of each view at each candidate, against a volume that the view is no part of.
        candidates: ``(K, 3)`` of `grid_of`.
        angles: ``(N, 3)`` poses that were found.
    """
    among = _apart(candidates, candidates) < APART
    away = _apart(angles, candidates)
    # A pose may lie beyond the grid's elevations: what is nearest to it then stands for it.
    near = (away < APART) | (away <= away.amin(1, keepdim=True))
    own = scores.masked_fill(~near, -torch.inf).amax(1)
    left = scores.masked_fill(near | ~_peaks(scores), -torch.inf)
    index, height = [], []
    for _ in range(MOST):
        value, which = left.max(1)
        left = left.masked_fill(among[which], -torch.inf)
        index.append(which)
        height.append(value)
    spread = scores.std(1, keepdim=True).clamp_min(1e-6)
    return Modes(torch.stack(index, 1), (own[:, None] - torch.stack(height, 1)) / spread)


def certainty_of(margin: Tensor, level: float) -> Tensor:
    """Odds ``(N,)`` that poses of these margins are right in a shape whose views have a mean margin of ``level``."""
    return torch.sigmoid(_OF_VIEW * margin + _OF_SHAPE * level + _BIAS)


def with_alternatives(
    cameras: Cameras,
    modes: Modes,
    level: float,
    candidates: Tensor,
    frames: Tensor,
    evidence: Evidence,
    place: Placement,
) -> Cameras:
    """The cameras with the odds that they are right, and with the alternatives to them.

    Args:
        cameras: of the ``N`` views.
        modes: of the same.
        level: mean margin of the shape's own views.
        candidates: ``(K, 3)`` of `grid_of`.
        frames: ``(K, 3)`` of the candidates.
        evidence: the views.
        place: where the object lies in the working volume.
    """
    certainty = certainty_of(modes.margin, level)
    there = modes.below.isfinite()
    share = torch.where(there, -_SHARPNESS * modes.below, -torch.inf).softmax(1).nan_to_num(0.0)
    weight = _OTHERS * (1 - certainty[:, None]) * share
    each = [seen_from(candidates[index], frames[index], evidence, place) for index in modes.index.unbind(1)]
    R, t, fov, offset = (np.stack(parts, 1) for parts in zip(*each, strict=True))
    found = Alternatives(certainty.cpu().numpy(), R, t, fov, offset, weight.cpu().numpy())
    return replace(cameras, alternatives=found)


def grid_of(model: Model) -> Tensor:
    """Candidates ``(K, 3)`` of the grid on which poses are weighed."""
    return model.candidates(AZIMUTHS, ELEVATIONS)


def _peaks(scores: Tensor) -> Tensor:
    """Which of the grid's scores ``(N, K)`` no neighbour exceeds."""
    grid = scores.reshape(len(scores), 1, ELEVATIONS, AZIMUTHS)
    round_about = torch.cat([grid[..., -1:], grid, grid[..., :1]], -1)
    return (grid >= F.max_pool2d(round_about, 3, 1, (1, 0))).flatten(1)


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """Angles ``(A, B)`` between poses ``(A, 3)`` and ``(B, 3)`` but for roll, by which the grid does not differ."""
    first, second = (rotation(pose * pose.new_tensor([1, 1, 0])).flatten(1) for pose in (one, other))
    return ((first @ second.T - 1) / 2).clamp(-1, 1).acos()
