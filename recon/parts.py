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
_DIMS = 32
"""Leading components: all of them, whitened, tell materials apart rather than parts."""
_SHARPNESS = 20.0
_SEEN_SHARE = 0.65
"""Share of the views, those in which it is most typical, that are believed to see a part."""


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
    features = evidence.leading(_DIMS).features
    patches = features[inside]
    count = min(count, len(patches))
    found = KMeans(count, n_init=3, random_state=seed).fit(patches.cpu().numpy())
    centres = F.normalize(torch.from_numpy(found.cluster_centers_).to(patches), dim=1)
    likeness = (features @ centres.T).masked_fill(~inside[..., None], -torch.inf)
    best = likeness.amax(1)
    seen = (best >= best.quantile(1 - _SEEN_SHARE, dim=0)) & inside.any(1)[:, None]
    weight = (_SHARPNESS * (likeness - best[:, None])).exp().nan_to_num(0.0)
    places = torch.einsum("npk,pc->nkc", weight, pixel_grid(evidence.pixels, patches.device))
    places = places / weight.sum(1).clamp_min(1e-6)[..., None]
    return Keypoints(places * seen[..., None], seen)
