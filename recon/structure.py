"""The sparse structure of a shape: keypoints, how they are joined, where each image shows them, and how they move.

After 'Unsupervised 3D Structure Inference from Category-Specific Image Collections' (CVPR 2024): a mean shape of a few
3D keypoints, edges between them, and a low-rank basis of deformations over the images. There keypoints are learnt from
images alone; here the surface and the cameras are known already, so keypoints are chosen on the surface and detected
in each image near where the cameras put them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ops.errors import ReconstructionError
from recon.camera import Pinholes
from recon.canonical import Located, locate, surface_points
from recon.correspond import Looks, draw_to_features
from recon.deform import fit_deformations
from recon.skeleton import join_keypoints
from recon.types import Cameras, Mesh, Views

KEYPOINTS = 24
_CANDIDATES = 2000
_LEAST_SEEN = 0.1
"""Share of the images that have to show a keypoint; what hardly any image shows can't be detected."""


@dataclass(frozen=True, slots=True)
class Structure:
    """Keypoints of a shape over its ``N`` trusted views.

    Attributes:
        ids: ``(N,)`` int64 of the views.
        points: ``(K, 3)`` float32 mean shape in the object frame.
        edges: ``(E, 2)`` int32 pairs of keypoints that are joined.
        bases: ``(L, K, 3)`` float32 deformations, strongest first; one unit is what they deviate by over the views.
        coefficients: ``(N, L)`` float32, how much of each deformation a view shows.
        places: ``(N, K, 2)`` float32 crop coordinates in [-1, 1] where each view shows the keypoints.
        visible: ``(N, K)`` bool; where it is false, the place is where the cameras put the hidden point.
        residual: ``(2,)`` float32 root mean square distance of visible places from the rigid keypoints, in half crop
            sides and without a shift, turn and scale of each view, and what the mean and the bases leave of it.
    """

    ids: NDArray[np.int64]
    points: NDArray[np.float32]
    edges: NDArray[np.int32]
    bases: NDArray[np.float32]
    coefficients: NDArray[np.float32]
    places: NDArray[np.float32]
    visible: NDArray[np.bool_]
    residual: NDArray[np.float32]


def find_structure(mesh: Mesh, cameras: Cameras, views: Views, device: str | torch.device = "cpu") -> Structure:
    """The sparse structure of a shape; the same every time.

    Args:
        mesh: its surface.
        cameras: one for each view, weight 0 for strangers.
        views: of the shape, in the same order.
        device: torch device to compute on.

    Raises:
        ReconstructionError: there is no view that is not a stranger.
    """
    trusted = np.flatnonzero(cameras.weight > 0)
    if not len(trusted):
        raise ReconstructionError("keypoints need a view that is not a stranger")
    place = torch.device(device)
    with torch.inference_mode():
        eyes = Pinholes.of(cameras, place).select(torch.from_numpy(trusted).to(place))
        surface = surface_points(mesh, place)
        looks = [_look(views, int(row), place) for row in trusted]
        candidates = surface[:_CANDIDATES]
        located = locate(surface, eyes, candidates)
        likeness, shown = _steadiness(located, looks)
        chosen = choose_keypoints(candidates, torch.where(shown >= _LEAST_SEEN, likeness, 0), KEYPOINTS)
        points = candidates[chosen]
        detected = _detect(_columns(located, chosen), looks)
        found = fit_deformations(points, eyes, detected)
        edges = join_keypoints(points.cpu().numpy(), surface.cpu().numpy())
    arrays = (found.points, found.bases, found.coefficients, detected.image)
    mean, bases, coefficients, places = (_array(x) for x in arrays)
    residual = np.array(found.residual, np.float32)
    visible = detected.visible.cpu().numpy()
    return Structure(views.ids[trusted], mean, edges, bases, coefficients, places, visible, residual)


def choose_keypoints(candidates: Tensor, worth: Tensor, count: int) -> Tensor:
    """Indices ``(count,)`` of points that lie far from each other and are worth much.

    Farthest-point sampling whose distances are weighted by worth, from the point that is farthest from the middle.

    Args:
        candidates: ``(S, 3)``.
        worth: ``(S,)`` at least 0.
        count: points wanted.
    """
    away = (candidates - candidates.mean(0)).norm(dim=1)
    chosen: list[Tensor] = []
    for _ in range(min(count, len(candidates))):
        chosen.append((away * worth).argmax())
        distance = (candidates - candidates[chosen[-1]]).norm(dim=1)
        away = distance if len(chosen) == 1 else torch.minimum(away, distance)
    return torch.stack(chosen)


def _look(views: Views, row: int, device: torch.device) -> Looks:
    features, masks = (torch.from_numpy(getattr(views, name)[row : row + 1]) for name in ("features", "masks"))
    return Looks.of(features.to(device), masks.to(device))


def _steadiness(located: Located, looks: list[Looks]) -> tuple[Tensor, Tensor]:
    """How alike the views that show a point see it, in [0, 1], and the share of the views that do; each ``(S,)``."""
    return _mean_features(located, looks).norm(dim=1), located.visible.float().mean(0)


def _mean_features(located: Located, looks: list[Looks]) -> Tensor:
    """Mean ``(S, C)`` over views of the unit features at visible places."""
    total = torch.zeros(located.image.shape[1], looks[0].features.shape[1], device=located.image.device)
    for row, look in enumerate(looks):
        total += look.at(located.image[row : row + 1])[0] * located.visible[row, :, None]
    return total / located.visible.sum(0).clamp_min(1)[:, None]


def _detect(located: Located, looks: list[Looks]) -> Located:
    """Visible keypoints drawn to where each view looks most like what they look like in the mean."""
    wanted = torch.nn.functional.normalize(_mean_features(located, looks), dim=1)
    drawn = [
        draw_to_features(Located(*(getattr(located, name)[row : row + 1] for name in Located.__slots__)), wanted, look)
        for row, look in enumerate(looks)
    ]
    return Located(*(torch.cat([getattr(each, name) for each in drawn]) for name in Located.__slots__))


def _columns(located: Located, index: Tensor) -> Located:
    return Located(*(getattr(located, name)[:, index] for name in Located.__slots__))


def _array(x: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = x.cpu().float().numpy()
    return array
