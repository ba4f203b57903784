"""The cold start of 3DMiner (Cheng et al., ICCV 2023): parts, factorisation, then refinement; our baseline.

Its cameras have no roll by assumption only at the very end: the vertical is the direction that all cameras hold
upright, and of the two depths the one seen from above is taken.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from recon.cold import Found
from recon.config import ReconConfig
from recon.em import Model, assign_folds
from recon.factorize import Factorization, factorize, reversed_depth
from recon.geometry import angles_of
from recon.parts import find_parts
from recon.progress import Reporter
from recon.render import framing
from recon.types import Views
from recon.volume import Hypotheses, sphere

_PARTS = 24
_LEAST_MOTION = 1e-6
"""Scale of a view below which its keypoints, too few of them, tell nothing of its camera."""
_WORST_SHARE = 0.8
"""Share of the views, those that the factorisation explains best, that count in full."""


def keypoint_start(
    model: Model, config: ReconConfig, views: Views, generator: torch.Generator, report: Reporter
) -> Found:
    """Cameras from part keypoints, without any search.

    Args:
        model: views and camera model.
        config: for the number of folds.
        views: the same views.
        generator: source of all randomness.
        report: where progress goes.
    """
    tick = report.span("parts", 0.02, 0.3)
    points = find_parts(model.evidence, _PARTS, int(torch.randint(2**31, (), generator=generator)))
    tick(0.5)
    found = factorize(points)
    angles = max((_upright(rival) for rival in (found, reversed_depth(found))), key=lambda a: float(a[:, 1].mean()))
    tick(1.0)
    low, high = model.elevations
    angles = torch.stack([angles[:, 0], angles[:, 1].clamp(low, high), 0 * angles[:, 2]], 1)
    ball = sphere(1, config.coarse.resolution, angles.device)
    frame = framing(ball, angles[None, :1], model.distance).expand(1, len(angles), 3)
    good = found.residual <= found.residual.quantile(_WORST_SHARE)
    placed = found.motion.norm(dim=(1, 2)) > _LEAST_MOTION
    weight = torch.where(good, 1.0, 0.3) * model.evidence.usable * placed
    poses = Hypotheses(angles[None], frame, weight[None], 0 * weight[None])
    return Found(poses, assign_folds(len(angles), config.fine.folds, generator, angles.device))


def _upright(found: Factorization) -> Tensor:
    """Angles ``(N, 3)`` of the cameras once the vertical is where none of them rolls."""
    left, up = F.normalize(-found.motion, dim=-1).unbind(1)
    R = torch.stack([left, up, torch.cross(left, up, dim=-1)], 1)
    _, axes = torch.linalg.eigh(left.T @ left)
    vertical = axes[:, 0] * torch.sign((up @ axes[:, 0]).sum())
    frame = torch.stack([torch.cross(vertical, axes[:, 1], dim=0), vertical, axes[:, 1]])
    return angles_of(R @ frame.T)
