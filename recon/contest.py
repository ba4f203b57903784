"""Which of several hypotheses is true: the one whose field and cameras fit the views best once refined together.

Held-out scores of carved volumes tell wrong solutions from right ones too, but a wrong one gains little from gradients
and a right one much: what separates them widens. What single views tell of their poses decides only between
hypotheses that fit almost equally well, since it may be wrong of all of them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from recon.config import JointStage
from recon.em import Model
from recon.guess import agreement
from recon.joint import refine_carved
from recon.types import Views
from recon.volume import Hypotheses

_PRIOR_SHARE = 0.004
"""Loss that a nat of agreement with the prior is worth; wrong hypotheses mostly lose by 0.01 to 0.1."""


def best_fit(
    rivals: Hypotheses,
    model: Model,
    views: Views,
    stage: JointStage,
    generator: torch.Generator,
    tick: Callable[[float], None] = lambda fraction: None,
    merit: Tensor | None = None,
) -> Hypotheses:
    """The one of several hypotheses that a short joint refinement fits best, itself as it was before.

    Args:
        rivals: hypotheses; of one alone nothing is asked.
        model: views and camera model; its prior, if there is one, decides between near equals.
        views: the same views, their masks at full sharpness.
        stage: of the refinement.
        generator: source of all randomness; every rival is given the same rays.
        tick: told the fraction done.
        merit: ``(H,)`` loss that each is spared for other reasons; None for none.
    """
    if len(rivals) == 1:
        return rivals
    seed = int(torch.randint(2**31, (), generator=generator))
    losses = []
    for number in range(len(rivals)):
        rival = rivals.select(torch.tensor([number], device=rivals.angles.device))
        same = torch.Generator().manual_seed(seed)

        def told(fraction: float, done: int = number) -> None:
            tick((done + fraction) / len(rivals))

        losses.append(refine_carved(rival, model, views, stage, same, told).loss)
    loss = torch.tensor(losses, device=rivals.angles.device)
    if merit is not None:
        loss = loss - merit
    if model.prior is not None:
        loss = loss - _PRIOR_SHARE * agreement(model.prior, rivals.angles)
    return rivals.select(loss.argmin()[None])
