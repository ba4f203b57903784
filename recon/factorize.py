"""Rigid structure and scaled orthographic cameras from keypoints with gaps, robustly.

Factorisation after Tomasi and Kanade (IJCV 1992, sections 3 and 4.2), gaps filled by repeated low-rank
approximation, then alternation of cameras and structure with Huber weights. What no orthographic camera can tell,
whether depth is reversed, is left open: see `reversed_depth`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recon.parts import Keypoints

_FILLING_ROUNDS, _ALTERNATIONS = 60, 30
_HUBER = 0.15
"""Residual in window half sides beyond which a keypoint's weight falls."""
_RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Factorization:
    """Cameras and structure: ``places[i, k]`` is near ``motion[i] @ structure[k] + offset[i]``.

    Attributes:
        motion: ``(N, 2, 3)`` rows orthogonal and of one length.
        offset: ``(N, 2)``.
        structure: ``(K, 3)``.
        residual: ``(N,)`` root mean square distance of a view's keypoints, in window half sides.
    """

    motion: Tensor
    offset: Tensor
    structure: Tensor
    residual: Tensor


def factorize(points: Keypoints) -> Factorization:
    """Cameras and structure that explain keypoints best.

    Args:
        points: of at least three views and four parts.
    """
    places, seen = points.places.double(), points.seen.double()
    offset = (places * seen[..., None]).sum(1) / seen.sum(1).clamp_min(1)[:, None]
    motion, structure = _metric(*_low_rank(places - offset[:, None], seen))
    for _ in range(_ALTERNATIONS):
        weight = seen * _huber((places - _predicted(motion, offset, structure)).norm(dim=-1))
        motion, offset = _cameras(places, weight, structure)
        structure = _structure(places - offset[:, None], weight, motion)
    wrong = (places - _predicted(motion, offset, structure)).square().sum(-1)
    residual = ((seen * wrong).sum(1) / seen.sum(1).clamp_min(1)).sqrt()
    return Factorization(*(part.float() for part in (motion, offset, structure, residual)))


def reversed_depth(found: Factorization) -> Factorization:
    """The other solution with the same image: structure and cameras mirrored in depth."""
    flip = found.structure.new_tensor([1.0, 1.0, -1.0])
    return replace(found, motion=found.motion * flip, structure=found.structure * flip)


def _predicted(motion: Tensor, offset: Tensor, structure: Tensor) -> Tensor:
    return torch.einsum("ndc,kc->nkd", motion, structure) + offset[:, None]


def _huber(residual: Tensor) -> Tensor:
    return _HUBER / residual.clamp_min(_HUBER)


def _low_rank(places: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Factors ``(2N, 3)`` and ``(3, K)`` of the measurements ``(N, K, 2)``, unseen ones filled in."""
    known = seen.repeat_interleave(2, 0)
    table = places.transpose(1, 2).flatten(0, 1)
    mean = (table * known).sum(0) / known.sum(0).clamp_min(1)
    filled = torch.where(known > 0, table, mean.expand_as(table))
    for _ in range(_FILLING_ROUNDS):
        u, s, v = torch.linalg.svd(filled, full_matrices=False)
        filled = torch.where(known > 0, table, (u[:, :3] * s[:3]) @ v[:3])
    root = s[:3].sqrt()
    return u[:, :3] * root, root[:, None] * v[:3]


def _metric(motion: Tensor, structure: Tensor) -> tuple[Tensor, Tensor]:
    """The upgrade to rows that are orthogonal and of one length in every camera."""
    first, second = motion[0::2], motion[1::2]
    zero = torch.zeros(len(first), dtype=motion.dtype, device=motion.device)
    equal, apart = _quadratic(first, first) - _quadratic(second, second), _quadratic(first, second)
    scale = (_quadratic(first, first) + _quadratic(second, second)).mean(0, keepdim=True) * len(first)
    rows = torch.cat([equal, apart, scale])
    wanted = torch.cat([zero, zero, zero.new_full((1,), 2.0 * len(first))])
    found = torch.linalg.lstsq(rows, wanted).solution
    a, b, c, d, e, f = found.unbind()
    gram = torch.stack([torch.stack([a, b, c]), torch.stack([b, d, e]), torch.stack([c, e, f])])
    values, vectors = torch.linalg.eigh(gram)
    upgrade = vectors * values.clamp_min(_RIDGE * float(values.abs().max())).sqrt()
    moved = (motion @ upgrade).reshape(-1, 2, 3)
    return _orthogonal(moved), torch.linalg.solve(upgrade, structure).T


def _quadratic(x: Tensor, y: Tensor) -> Tensor:
    """Coefficients ``(N, 6)`` of ``x' Q y`` in the upper triangle of a symmetric Q."""
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    columns = [x[:, i] * y[:, j] + (x[:, j] * y[:, i] if i != j else 0) for i, j in pairs]
    return torch.stack(columns, 1)


def _orthogonal(motion: Tensor) -> Tensor:
    """The nearest ``(N, 2, 3)`` whose rows are orthogonal and of one length."""
    u, s, v = torch.linalg.svd(motion, full_matrices=False)
    nearest: Tensor = s.mean(-1)[:, None, None] * (u @ v)
    return nearest


def _cameras(places: Tensor, weight: Tensor, structure: Tensor) -> tuple[Tensor, Tensor]:
    """Motion and offset of every view, least squares and then made orthogonal."""
    total = weight.sum(1).clamp_min(1e-6)[:, None]
    middle = (weight @ structure) / total
    centre = (weight[..., None] * places).sum(1) / total
    away, seen = structure[None] - middle[:, None], places - centre[:, None]
    gram = torch.einsum("nk,nka,nkb->nab", weight, away, away) + _RIDGE * torch.eye(3).to(places)
    mixed = torch.einsum("nk,nkd,nka->nda", weight, seen, away)
    motion = _orthogonal(torch.linalg.solve(gram, mixed.transpose(1, 2)).transpose(1, 2))
    return motion, centre - torch.einsum("ndc,nc->nd", motion, middle)


def _structure(places: Tensor, weight: Tensor, motion: Tensor) -> Tensor:
    """Least-squares points, of unit mean square distance from their centre."""
    gram = torch.einsum("nk,nda,ndb->kab", weight, motion, motion) + _RIDGE * torch.eye(3).to(places)
    mixed = torch.einsum("nk,nda,nkd->ka", weight, motion, places)
    found: Tensor = torch.linalg.solve(gram, mixed)
    return found / found.square().sum(1).mean().sqrt().clamp_min(1e-6)
