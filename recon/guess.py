"""What single views tell of their azimuths, as a prior of the search over all of them.

Single views agree on which side is the front but not on the hypothesis' own zero, so a prior is turned, for each
hypothesis, to where it agrees best with the poses at hand.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recon.types import Viewpoints
from recon.volume import Hypotheses

_DOUBT = 0.1
"""Share of the odds spread evenly: a guess may be wrong altogether."""


def prior_of(viewpoints: Viewpoints, device: torch.device) -> Tensor:
    """Log probabilities ``(N, A)`` of azimuths, none of them impossible."""
    odds = torch.from_numpy(viewpoints.azimuth).to(device)
    return ((1 - _DOUBT) * odds.softmax(-1) + _DOUBT / odds.shape[-1]).log()


def at_azimuth(prior: Tensor, azimuth: Tensor) -> Tensor:
    """Log probabilities ``(..., N)`` of azimuths ``(..., N)`` in radians, interpolated between the prior's."""
    count = prior.shape[-1]
    place = (azimuth / (2 * math.pi) * count) % count
    low = place.floor().long() % count
    rows = torch.arange(len(prior), device=prior.device)
    share = place - place.floor()
    return (1 - share) * prior[rows, low] + share * prior[rows, (low + 1) % count]


def turn_to(prior: Tensor, azimuth: Tensor) -> tuple[Tensor, Tensor]:
    """How each hypothesis is turned against the prior.

    Args:
        prior: ``(N, A)``.
        azimuth: ``(H, N)`` in radians.

    Returns:
        The angle ``(H,)`` to add to a hypothesis' azimuths for the best agreement, and that agreement ``(H,)``, the
        mean log probability.
    """
    count = prior.shape[-1]
    turns = torch.arange(count, device=prior.device) * (2 * math.pi / count)
    means = at_azimuth(prior, azimuth[:, None] + turns[:, None]).mean(-1)
    best = means.max(1)
    return turns[best.indices], best.values


def lean(prior: Tensor, poses: Hypotheses, candidates: Tensor) -> Tensor:
    """Log probabilities ``(H, N, K)`` of candidates ``(K, 3)`` for every view under every hypothesis."""
    turn, _ = turn_to(prior, poses.angles[..., 0])
    azimuth = candidates[:, 0] + turn[:, None]
    return at_azimuth(prior, azimuth[..., None].expand(*azimuth.shape, len(prior))).transpose(1, 2)
