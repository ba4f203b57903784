"""Parts that views of one kind of object have in common, as keypoints with gaps: k-means over dense features.

The first step of 3DMiner (Cheng et al., ICCV 2023, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from torch import Tensor

from recon.evidence import Evidence
from recon.geometry import pixel_grid

_FOREGROUND = 0.5
_SHARPNESS = 10.0
_KEPT_SHARE = 0.7
"""Share of the patches of a part, the most typical ones, that are believed."""


@dataclass(frozen=True, slots=True)
class Keypoints:
    """Where each part is seen.

    Attributes:
        places: ``(N, K, 2)`` window coordinates (u right, v down) in [-1, 1]; 0 where it is not seen.
        seen: ``(N, K)`` bool.
    """

    places: Tensor
    seen: Tensor


def find_parts(evidence: Evidence, count: int, seed: int) -> Keypoints:
    """Keypoints of ``count`` parts in all views.

    Args:
        evidence: the views.
        count: parts; no more than there are foreground patches.
        seed: of the clustering.
    """
    inside = evidence.masks > _FOREGROUND
    patches = evidence.features[inside]
    count = min(count, len(patches))
    found = KMeans(count, n_init=3, random_state=seed).fit(patches.cpu().numpy())
    centres = F.normalize(torch.from_numpy(found.cluster_centers_).to(patches), dim=1)
    likeness = evidence.features @ centres.T
    label = torch.full(inside.shape, -1, device=patches.device)
    label[inside] = torch.from_numpy(found.labels_).to(label)
    own = F.one_hot(label.clamp_min(0), count).bool() & inside[..., None]
    typical = torch.stack([likeness[..., k][own[..., k]].quantile(1 - _KEPT_SHARE) for k in range(count)])
    own &= likeness >= typical
    weight = own * (_SHARPNESS * likeness).exp()
    total = weight.sum(1)
    places = torch.einsum("npk,pc->nkc", weight, pixel_grid(evidence.pixels, patches.device))
    return Keypoints(places / total.clamp_min(1e-6)[..., None], own.any(1))
