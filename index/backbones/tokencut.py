"""Foreground from self-supervised patch tokens alone: one normalised cut."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SIMILARITY = 0.2
"""Cosine above which two patches are linked (tau in the paper)."""

WEAK_LINK = 1e-5
"""Weight of every other pair, which keeps the graph connected (epsilon in the paper)."""

SHARPNESS = 4.0
"""Steepness of the map around the cut, in standard deviations of the eigenvector; only shapes the soft edge."""


def cut_foreground(patches: Tensor) -> Tensor:
    """Split each image's patches in two and say which are foreground.

    TokenCut (Wang et al., CVPR 2022, section 3.2): a graph over the patches, linked where their cosine exceeds
    `SIMILARITY`; the second smallest generalised eigenvector of ``(D - W) y = lambda D y``, cut at its mean.
    The paper takes the side of the largest entry as foreground; here it is the side that fills less of the
    image's border, which is what tells an object from a backdrop when the object is the larger of the two.

    Args:
        patches: ``(N, C, G, G)`` patch tokens, any floating type.

    Returns:
        ``(N, G, G)`` float32 in [0, 1], over 0.5 on the foreground side of the cut.
    """
    count, _, rows, columns = patches.shape
    tokens = F.normalize(patches.float().flatten(2).transpose(1, 2), dim=2)
    linked = tokens @ tokens.transpose(1, 2) > SIMILARITY
    weights = torch.where(linked, 1.0, WEAK_LINK)
    scale = weights.sum(dim=2).rsqrt()
    # The largest eigenvectors of D^-1/2 W D^-1/2 are the smallest of the generalised problem.
    _, vectors = torch.linalg.eigh(scale[:, :, None] * weights * scale[:, None, :])
    second = vectors[:, :, -2] * scale
    centred = second - second.mean(dim=1, keepdim=True)
    spread = centred.std(dim=1, keepdim=True).clamp_min(1e-12)
    score = (centred / spread).reshape(count, rows, columns)
    return torch.sigmoid(SHARPNESS * score * _foreground_sign(score)[:, None, None])


def _foreground_sign(score: Tensor) -> Tensor:
    """+1 where the positive side fills less of the border of ``(N, G, G)`` than the negative one, else -1."""
    border = torch.cat([score[:, 0], score[:, -1], score[:, 1:-1, 0], score[:, 1:-1, -1]], dim=1)
    return torch.where((border > 0).float().mean(dim=1) <= 0.5, 1.0, -1.0)
