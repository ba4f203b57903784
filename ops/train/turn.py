"""Fits the viewpoint head to samples; the encoder behind it stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from index.backbones.viewpoint import AZIMUTHS, ELEVATIONS, ViewpointHead, mirror
from ops.train.fronts import Fronts

BATCH = 48
LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 1e-3, 5e-2, 0.05
AZIMUTH_SPREAD, ELEVATION_SPREAD = 10.0, 4.0
"""Degrees by which the true angles are smoothed over the bins."""

ELEVATION_WEIGHT = 0.3
NOISE, DROPPED = 0.3, 0.25
"""Most noise, in standard deviations of the tokens, and the largest share of tokens left out."""

HELD_OUT = 0.04


@dataclass(frozen=True, slots=True)
class Turn:
    """Where training stands.

    Attributes:
        done: steps taken.
        total: steps in all.
        loss: of the last samples.
        near: share of held-out pictures whose likeliest azimuth is within 30 degrees; measured once an epoch.
    """

    done: int
    total: int
    loss: float
    near: float


def fit_viewpoint(
    samples: Fronts, epochs: int, seed: int, device: torch.device, progress: Callable[[Turn], None]
) -> ViewpointHead:
    """Train a head from scratch with AdamW under a one-cycle schedule (Smith & Topin 2019).

    Args:
        samples: what to learn from; the last 4 % only judge.
        epochs: passes over the others.
        seed: of the weights, the order, the flips and the noise.
        device: where to train.
        progress: told after every step.
    """
    torch.manual_seed(seed)
    head = ViewpointHead(samples.tokens.shape[-1]).to(device)
    count = len(samples) - max(1, round(HELD_OUT * len(samples)))
    steps = max(1, count // BATCH)
    optimizer = torch.optim.AdamW(head.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, epochs * steps, pct_start=WARM_UP)
    near = 0.0
    for epoch in range(epochs):
        order = torch.randperm(count)
        for step in range(steps):
            loss = _loss(head, samples, order[step * BATCH : (step + 1) * BATCH], device)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            progress(Turn(epoch * steps + step + 1, epochs * steps, float(loss.detach()), near))
        near = _near(head, samples, count, device)
    return head.eval()


def soft_azimuth(degrees: Tensor) -> Tensor:
    """Targets ``(N, AZIMUTHS)`` of azimuths ``(N,)``."""
    centres = torch.arange(AZIMUTHS, device=degrees.device) * (360 / AZIMUTHS)
    away = (degrees[:, None] - centres + 180) % 360 - 180
    return F.softmax(-0.5 * (away / AZIMUTH_SPREAD) ** 2, -1)


def _loss(head: ViewpointHead, samples: Fronts, index: Tensor, device: torch.device) -> Tensor:
    tokens, outline = samples.tokens[index].to(device).float(), samples.outline[index].to(device).float()
    azimuth, elevation = samples.azimuth[index].to(device), samples.elevation[index].to(device)
    turned = torch.rand(len(index), device=device) < 0.5
    there = mirror(tokens, outline)
    tokens, outline = (torch.where(turned[:, None, None], b, a) for a, b in zip((tokens, outline), there, strict=True))
    azimuth = torch.where(turned, -azimuth, azimuth)
    noise = torch.randn_like(tokens) * tokens.std() * (NOISE * torch.rand(len(index), 1, 1, device=device))
    keep = torch.rand(*tokens.shape[:2], 1, device=device) >= DROPPED * torch.rand(len(index), 1, 1, device=device)
    odds, levels = head(tokens + noise, outline * keep)
    steps = torch.tensor(ELEVATIONS, dtype=torch.float32, device=device)
    level = F.softmax(-0.5 * ((elevation[:, None] - steps) / ELEVATION_SPREAD) ** 2, -1)
    loss = F.cross_entropy(odds, soft_azimuth(azimuth)) + ELEVATION_WEIGHT * F.cross_entropy(levels, level)
    return loss


@torch.inference_mode()
def _near(head: ViewpointHead, samples: Fronts, start: int, device: torch.device) -> float:
    tokens, outline = (x[start:].to(device).float() for x in (samples.tokens, samples.outline))
    head.eval()
    found = head(tokens, outline)[0].argmax(-1).cpu() * (360 / AZIMUTHS)
    head.train()
    return float((((found - samples.azimuth[start:] + 180) % 360 - 180).abs() <= 30).float().mean())
