"""A start from rotations that are known, from structure from motion or a turntable: nothing is searched."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ops.errors import ReconstructionError
from recon.cold import Found
from recon.config import ReconConfig
from recon.em import Model, assign_folds
from recon.geometry import angles_of
from recon.render import framing
from recon.volume import Hypotheses, build_volumes, sphere

_ROUNDS = 4
_TOLERANCE = 1e-3


def check_rotations(rotations: NDArray[np.float32], count: int) -> None:
    """Refuses what are no rotations of so many views.

    Raises:
        ReconstructionError: another shape than ``(count, 3, 3)``, or matrices that are no rotations.
    """
    if rotations.shape != (count, 3, 3):
        raise ReconstructionError(f"known rotations have shape {rotations.shape}, not ({count}, 3, 3)")
    products = rotations @ rotations.transpose(0, 2, 1)
    if not np.allclose(products, np.eye(3), atol=_TOLERANCE) or not (np.linalg.det(rotations) > 0).all():
        raise ReconstructionError("known rotations are no rotations: each has to be orthonormal, with determinant 1")


def known_start(model: Model, config: ReconConfig, rotations: NDArray[np.float32], generator: torch.Generator) -> Found:
    """Views at known rotations ``(N, 3, 3)``, object to camera; their frames follow from the masks.

    The object is carved and the views are framed by its silhouettes in turns, as in the M-step of a search.
    """
    device = model.evidence.masks.device
    angles = angles_of(torch.from_numpy(np.asarray(rotations, np.float32)).to(device))[None]
    weight = model.evidence.usable.to(angles.dtype)[None]
    ball = sphere(1, config.coarse.resolution, device)
    poses = Hypotheses(angles, framing(ball, angles, model.distance), weight, 0 * weight)
    folds = assign_folds(angles.shape[1], config.fine.folds, generator, device)
    for _ in range(_ROUNDS):
        volumes = build_volumes(poses, model.evidence, folds, config.fine.resolution, model.distance, model.mirror)
        poses = Hypotheses(angles, volumes.frame, weight, poses.score)
    return Found(poses, folds, given=True)
