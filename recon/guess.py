"""What single views tell of where they were taken from, as a prior of the search over all of them.

Single views agree on which side is the front but not on the hypothesis' own zero, so what they tell of azimuths is
turned, for each hypothesis, to where it agrees best with the poses at hand. Elevations have a zero of their own: up is
given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from recon.types import Viewpoints
from recon.volume import Hypotheses

_DOUBT = 0.1
"""Share of the odds spread evenly: a guess may be wrong altogether."""
_ELEVATION_SPREAD = math.radians(10)
"""Standard deviation of guessed elevations about the true ones."""
_ELEVATIONS = math.radians(73)
"""Range over which a guess that is wrong altogether may lie."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What single views tell of their poses.

    Attributes:
        azimuth: ``(N, A)`` log probabilities of azimuths, none of them impossible; A is 1 where nothing is told.
        elevation: ``(N,)`` likeliest elevations in radians.
    """

    azimuth: Tensor
    elevation: Tensor

    def without_azimuth(self) -> Prior:
        """What they tell of elevations alone."""
        return Prior(self.azimuth.new_zeros(len(self.azimuth), 1), self.elevation)

    def select(self, index: Tensor) -> Prior:
        """The views at ``index``, in its order."""
        return Prior(self.azimuth[index], self.elevation[index])


def prior_of(viewpoints: Viewpoints | None, device: torch.device) -> Prior | None:
    """The prior that guesses amount to; None of none."""
    if viewpoints is None:
        return None
    odds = torch.from_numpy(viewpoints.azimuth).to(device)
    azimuth = ((1 - _DOUBT) * odds.softmax(-1) + _DOUBT / odds.shape[-1]).log()
    return Prior(azimuth, torch.from_numpy(viewpoints.elevation).to(device).deg2rad())


def at_azimuth(prior: Prior, azimuth: Tensor) -> Tensor:
    """Log probabilities ``(..., N)`` of azimuths ``(..., N)`` in radians, interpolated between the prior's."""
    count = prior.azimuth.shape[-1]
    place = (azimuth / (2 * math.pi) * count) % count
    low = place.floor().long() % count
    rows = torch.arange(len(prior.azimuth), device=azimuth.device)
    share = place - place.floor()
    return (1 - share) * prior.azimuth[rows, low] + share * prior.azimuth[rows, (low + 1) % count]


def at_elevation(prior: Prior, elevation: Tensor) -> Tensor:
    """Log probabilities ``(..., N)`` of elevations ``(..., N)`` in radians, over that of the guess itself."""
    away = ((elevation - prior.elevation) / _ELEVATION_SPREAD).square()
    doubt = _DOUBT / (1 - _DOUBT) * math.sqrt(2 * math.pi) * _ELEVATION_SPREAD / _ELEVATIONS
    return ((-away / 2).exp() + doubt).log() - math.log1p(doubt)


def turn_to(prior: Prior, azimuth: Tensor) -> tuple[Tensor, Tensor]:
    """How each hypothesis is turned against the prior.

    Args:
        prior: of N views.
        azimuth: ``(H, N)`` in radians.

    Returns:
        The angle ``(H,)`` to add to a hypothesis' azimuths for the best agreement, and that agreement ``(H,)``, the
        mean log probability.
    """
    count = prior.azimuth.shape[-1]
    turns = torch.arange(count, device=azimuth.device) * (2 * math.pi / count)
    means = at_azimuth(prior, azimuth[:, None] + turns[:, None]).mean(-1)
    best = means.max(1)
    return turns[best.indices], best.values


def agreement(prior: Prior, angles: Tensor) -> Tensor:
    """Mean log probability ``(H,)`` of the poses ``(H, N, 3)`` of hypotheses, each turned to where it is greatest."""
    return turn_to(prior, angles[..., 0])[1] + at_elevation(prior, angles[..., 1]).mean(-1)


def lean(prior: Prior, poses: Hypotheses, candidates: Tensor, azimuths: float, elevations: float) -> Tensor:
    """Log probabilities ``(H, N, K)`` of candidates ``(K, 3)`` for every view under every hypothesis.

    Args:
        prior: of N views.
        poses: the hypotheses.
        candidates: angles.
        azimuths: weight of what is told of azimuths.
        elevations: weight of what is told of elevations.
    """
    upright = (elevations * lean_up(prior, candidates)).expand(len(poses), -1, -1)
    if not azimuths:
        return upright
    turn, _ = turn_to(prior, poses.angles[..., 0])
    azimuth = candidates[:, 0] + turn[:, None]
    around = at_azimuth(prior, azimuth[..., None].expand(*azimuth.shape, len(prior.elevation))).transpose(1, 2)
    return azimuths * around + upright


def lean_up(prior: Prior, candidates: Tensor) -> Tensor:
    """Log probabilities ``(N, K)`` of candidates ``(K, 3)`` by their elevations alone."""
    return at_elevation(prior, candidates[:, 1, None]).T


def leant(scores: Tensor, bias: Tensor | None) -> Tensor:
    """Scores ``(..., N, K)`` and a bias of that shape in their standard deviations over a view's candidates."""
    return scores if bias is None else scores + bias * scores.std(-1, keepdim=True)
