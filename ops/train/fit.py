"""Fits the foreground head to samples; the ViT behind it stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from index.backbones.foreground import ForegroundHead
from ops.train.samples import Samples

BATCH = 16
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2
WARM_UP = 0.15
"""Share of the steps in which the learning rate rises."""

OVERLAP_WEIGHT, COARSE_WEIGHT = 0.5, 0.3


@dataclass(frozen=True, slots=True)
class Step:
    """Where training stands.

    Attributes:
        done: steps taken.
        total: steps in all.
        loss: mean loss of the last samples.
        iou: their mean overlap with the true foreground.
    """

    done: int
    total: int
    loss: float
    iou: float


def fit(
    samples: Sequence[Samples], epochs: int, seed: int, device: torch.device, progress: Callable[[Step], None]
) -> ForegroundHead:
    """Train a head from scratch with AdamW under a one-cycle schedule (Smith & Topin 2019).

    Args:
        samples: sets of one picture size each; a batch is drawn from one set.
        epochs: passes over all of them.
        seed: of the weights, the order and the flips.
        device: where to train.
        progress: told after every step.
    """
    torch.manual_seed(seed)
    head = ForegroundHead(dim=samples[0].tokens.shape[2], layers=samples[0].tokens.shape[1]).to(device)
    total = epochs * sum(len(part) // BATCH for part in samples)
    optimizer = torch.optim.AdamW(head.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total, pct_start=WARM_UP)
    for done in range(total):
        if done % (total // epochs) == 0:
            order = _shuffled(samples)
        part, index = order[done % (total // epochs)]
        loss, iou = _loss(head, part, index, device)
        (part.weight * loss).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        progress(Step(done + 1, total, float(loss.detach()), iou))
    return head.eval()


def _shuffled(samples: Sequence[Samples]) -> list[tuple[Samples, Tensor]]:
    batches = []
    for part in samples:
        rows = torch.randperm(len(part))
        batches += [(part, rows[start : start + BATCH]) for start in range(0, len(rows) - BATCH + 1, BATCH)]
    return [batches[place] for place in torch.randperm(len(batches))]


def _loss(head: ForegroundHead, part: Samples, index: Tensor, device: torch.device) -> tuple[Tensor, float]:
    """Cross entropy at every pixel and at every token, and the soft overlap a picture."""
    images, truth = part.images[index].to(device), part.masks[index].to(device).float() / 255
    tokens = part.tokens[index].to(device)
    if torch.rand(()) < 0.5:
        images, truth, tokens = images.flip(2), truth.flip(2), tokens.flip(4)
    with torch.autocast(device.type, torch.bfloat16):
        logits, coarse = head(tokens.unbind(1), images)
    shares = F.interpolate(truth[:, None], size=coarse.shape[-2:], mode="area")[:, 0]
    found = logits.sigmoid()
    both = (found * truth).sum((1, 2))
    either = (found + truth - found * truth).sum((1, 2))
    pixels, overlap = F.binary_cross_entropy_with_logits(logits, truth), 1 - ((both + 1) / (either + 1)).mean()
    loss = pixels + OVERLAP_WEIGHT * overlap + COARSE_WEIGHT * F.binary_cross_entropy_with_logits(coarse, shares)
    hard, true = logits > 0, truth > 0.5
    iou = (hard & true).sum((1, 2)) / (hard | true).sum((1, 2)).clamp_min(1)
    return loss, float(iou.mean())
