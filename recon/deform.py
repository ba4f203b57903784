"""A low-rank basis of deformations, fitted to where images show keypoints (non-rigid structure from motion).

The shape of view i is ``points + sum_l coefficients[i, l] * bases[l]`` (Bregler et al., CVPR 2000). The cameras are
known, so only the mean, the bases and the coefficients are solved for, alternately and with ridge penalties. What a
shift, a turn and a scale in the image explain is the cameras' error and is taken out before.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon.camera import Pinholes
from recon.canonical import Located

BASES = 3
_VIEWS_A_BASIS = 4
_ROUNDS = 15
_NOISE, _BEND = 0.02, 0.05
"""What a detection is expected to be off by, in half crop sides, and a keypoint to move, in object units."""


@dataclass(frozen=True, slots=True)
class Deformations:
    """What was fitted.

    Attributes:
        points: ``(K, 3)`` mean shape.
        bases: ``(L, K, 3)``, strongest first.
        coefficients: ``(N, L)``, their squares 1 in the mean.
        residual: root mean square of the residuals before and after, in half crop sides.
    """

    points: Tensor
    bases: Tensor
    coefficients: Tensor
    residual: tuple[float, float]


def fit_deformations(points: Tensor, eyes: Pinholes, seen: Located, bases: int = BASES) -> Deformations:
    """Fits mean and bases to detected keypoints.

    Args:
        points: ``(K, 3)`` keypoints on the surface.
        eyes: ``N`` cameras.
        seen: where their images show them.
        bases: at most so many; one for every four views.
    """
    slopes, image = projection_slopes(points, eyes)
    share = seen.visible.double()
    raw = seen.image.double() - image
    fit = _Fit(slopes, share, min(bases, len(eyes) // _VIEWS_A_BASIS))
    rigid = _similarity(raw, image, share)
    before = _rms(raw - rigid, share)
    for _ in range(_ROUNDS):
        fit.improve(raw - rigid)
        # What moves only some keypoints pulls at the similarities too, so they are found anew without it.
        rigid = _similarity(raw - fit.moves(), image, share)
    after = _rms(raw - rigid - fit.moves(), share)
    mean, parts, factors = (x.to(points.dtype) for x in (points + fit.shift, fit.parts, fit.factors))
    return Deformations(mean, parts, factors, (before, after))


def projection_slopes(points: Tensor, eyes: Pinholes) -> tuple[Tensor, Tensor]:
    """How image points move with points, ``(N, K, 2, 3)``, and the image points ``(N, K, 2)``; in double precision."""
    image, depth = eyes.project(points)
    flat = (image - eyes.offset[:, None]) / -eyes.focal[:, None, None]
    turned = eyes.R[:, None, :2] - flat[..., None] * eyes.R[:, None, 2:]
    return (-eyes.focal[:, None, None, None] * turned / depth[..., None, None]).double(), image.double()


class _Fit:
    """Mean shift, bases and coefficients, which improve in turns.

    Attributes:
        shift: ``(K, 3)`` of the mean.
        parts: ``(L, K, 3)`` bases.
        factors: ``(N, L)`` coefficients.
    """

    def __init__(self, slopes: Tensor, share: Tensor, count: int) -> None:
        views, keypoints = share.shape
        self._slopes, self._share, self._count = slopes, share, count
        self.shift = slopes.new_zeros(keypoints, 3)
        self.parts = slopes.new_zeros(0, keypoints, 3)
        self.factors = slopes.new_zeros(views, 0)

    def moves(self) -> Tensor:
        """How far the image points are moved ``(N, K, 2)``."""
        return _moved(self._slopes, self.shift + torch.einsum("nl,lkc->nkc", self.factors, self.parts))

    def improve(self, rest: Tensor) -> None:
        """One round on residuals ``(N, K, 2)`` of the rigid keypoints."""
        slopes, share = self._slopes, self._share
        bent = torch.einsum("nl,lkc->nkc", self.factors, self.parts)
        self.shift = _solve_points(slopes, rest - _moved(slopes, bent), share)
        if not self._count:
            return
        rest = rest - _moved(slopes, self.shift[None])
        if not len(self.parts):
            self.parts = _first_bases(slopes, rest, share, self._count)
        # Only coefficients of unit size leave the ridge on the bases the same from round to round.
        self.factors, self.parts = _ordered(_solve_views(slopes, rest, share, self.parts), self.parts)
        self.parts = _solve_bases(slopes, rest, share, self.factors)
        self.factors, self.parts = _ordered(_solve_views(slopes, rest, share, self.parts), self.parts)


def _first_bases(slopes: Tensor, rest: Tensor, share: Tensor, count: int) -> Tensor:
    """Bases ``(L, K, 3)``: main directions of the residuals laid back into space, each in the plane of its view."""
    views, keypoints = share.shape
    back = torch.linalg.pinv(slopes) @ (rest * share[..., None])[..., None]
    _, _, axes = torch.linalg.svd(back.reshape(views, -1), full_matrices=False)
    first: Tensor = axes[:count].reshape(count, keypoints, 3)
    return first


def _solve_views(slopes: Tensor, rest: Tensor, share: Tensor, parts: Tensor) -> Tensor:
    design = (torch.einsum("nkdc,lkc->nkdl", slopes, parts) * share[..., None, None]).flatten(1, 2)
    # Bases are scaled to the deviation of their coefficients, so a coefficient of 1 is what is expected.
    penalty = _NOISE**2 * torch.eye(len(parts), dtype=rest.dtype, device=rest.device)
    right = design.transpose(1, 2) @ (rest * share[..., None]).flatten(1)[..., None]
    return _solved(design.transpose(1, 2) @ design + penalty, right)


def _solve_bases(slopes: Tensor, rest: Tensor, share: Tensor, factors: Tensor) -> Tensor:
    keypoints = share.shape[1]
    design = torch.einsum("nkdc,nl->nkdlc", slopes, factors).flatten(3) * share[..., None, None]
    design = design.permute(1, 0, 2, 3).flatten(1, 2)
    target = (rest * share[..., None]).permute(1, 0, 2).flatten(1)[..., None]
    solved = _ridge(design, target)
    return solved.reshape(keypoints, factors.shape[1], 3).transpose(0, 1)


def _solve_points(slopes: Tensor, rest: Tensor, share: Tensor) -> Tensor:
    """The shift ``(K, 3)`` of each keypoint that explains most of its residuals."""
    design = (slopes * share[..., None, None]).permute(1, 0, 2, 3).flatten(1, 2)
    return _ridge(design, (rest * share[..., None]).permute(1, 0, 2).flatten(1)[..., None])


def _ridge(design: Tensor, target: Tensor) -> Tensor:
    penalty = (_NOISE / _BEND) ** 2 * torch.eye(design.shape[-1], dtype=design.dtype, device=design.device)
    return _solved(design.transpose(1, 2) @ design + penalty, design.transpose(1, 2) @ target)


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    found: Tensor = torch.linalg.solve(matrix, right)
    return found[..., 0]


def _ordered(factors: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
    """The same product with orthogonal bases, strongest first, and coefficients whose squares are 1 in the mean."""
    left, middle = torch.linalg.qr(factors)
    inner, strengths, axes = torch.linalg.svd(middle @ parts.flatten(1), full_matrices=False)
    signs = axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    root = len(factors) ** 0.5
    turned = (left @ inner) * signs[:, 0] * root
    return turned, (axes * signs * strengths[:, None] / root).reshape(parts.shape)


def _similarity(rest: Tensor, image: Tensor, share: Tensor) -> Tensor:
    """What a shift, turn and scale of each view's picture explain ``(N, K, 2)`` of residuals."""
    one, zero = torch.ones_like(image[..., 0]), torch.zeros_like(image[..., 0])
    u, v = image.unbind(-1)
    design = torch.stack([torch.stack([one, zero, u, -v], -1), torch.stack([zero, one, v, u], -1)], 2)
    weighted = (design * share[..., None, None]).flatten(1, 2)
    penalty = 1e-6 * torch.eye(4, dtype=rest.dtype, device=rest.device)
    right = weighted.transpose(1, 2) @ rest.flatten(1)[..., None]
    solved = _solved(weighted.transpose(1, 2) @ weighted + penalty, right)
    explained: Tensor = (design @ solved[:, None, :, None])[..., 0]
    return explained


def _moved(slopes: Tensor, shift: Tensor) -> Tensor:
    moved: Tensor = (slopes @ shift[..., None])[..., 0]
    return moved


def _rms(rest: Tensor, share: Tensor) -> float:
    return float(((rest.square().sum(-1) * share).sum() / share.sum().clamp_min(1)).sqrt())
