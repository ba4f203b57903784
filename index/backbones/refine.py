"""Sharper masks: saliency knows what the object is, its colours know where it ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

COLOUR_BINS = 16
ROUNDS = 2
SMOOTHING = 0.7
"""Standard deviation, in bins, that the colour histograms are smoothed by."""

NEIGHBOURHOOD = 5
"""Side in pixels of the window over which colour evidence is averaged."""

SALIENCY_WEIGHT = 2.0
"""Weight of the saliency's log odds against those of the colours."""

THRESHOLD_RANGE = (0.3, 0.65)
_LEAST_LIKELIHOOD = 1e-6
_SATURATION = 0.02


def threshold(saliency: NDArray[np.float32]) -> float:
    """Cut between background and foreground of one saliency map in [0, 1].

    Otsu's method (IEEE Trans. SMC 1979): a fixed 0.5 loses thin legs on plain backdrops, where the model is
    unsure of everything, and keeps too much of cluttered ones. Held within `THRESHOLD_RANGE`.
    """
    counts, edges = np.histogram(saliency, bins=64, range=(0.0, 1.0))
    centres = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts)[:-1], counts.sum()
    mass = np.cumsum(counts * centres)
    mean_below = mass[:-1] / np.maximum(below, 1)
    mean_above = (mass[-1] - mass[:-1]) / np.maximum(total - below, 1)
    between = below * (total - below) * (mean_below - mean_above) ** 2
    # Every cut within an empty gap is equally good: take its middle.
    best = np.flatnonzero(between == between.max())
    return float(np.clip(edges[1:-1][best].mean(), *THRESHOLD_RANGE))


def refine(saliency: NDArray[np.float32], crop: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Foreground of a crop from its soft saliency and its own colours.

    Foreground and background each get a colour histogram weighted by the current belief; a pixel's odds are
    those of its saliency times the likelihood ratio of its neighbourhood's colours. This is the colour model
    of GrabCut (Rother et al., SIGGRAPH 2004) with histograms for mixtures and a box filter for the graph cut.

    Args:
        saliency: ``(S, S)`` in [0, 1].
        crop: ``(S, S, 3)`` RGB.

    Returns:
        ``(S, S)`` bool.
    """
    centred = np.clip(saliency - threshold(saliency) + 0.5, _SATURATION, 1 - _SATURATION)
    prior = SALIENCY_WEIGHT * np.log(centred / (1 - centred))
    colours = _colour_index(crop)
    belief = centred
    for _ in range(ROUNDS):
        odds = prior + ndimage.uniform_filter(_log_ratio(belief, colours)[colours], NEIGHBOURHOOD)
        belief = 1 / (1 + np.exp(-odds))
    result: NDArray[np.bool_] = belief > 0.5
    return result


def _colour_index(crop: NDArray[np.uint8]) -> NDArray[np.int64]:
    levels = (crop // (256 // COLOUR_BINS)).astype(np.int64)
    index: NDArray[np.int64] = (levels[..., 0] * COLOUR_BINS + levels[..., 1]) * COLOUR_BINS + levels[..., 2]
    return index


def _log_ratio(belief: NDArray[np.float32], colours: NDArray[np.int64]) -> NDArray[np.float32]:
    """Log likelihood ratio, foreground over background, of every colour bin ``(COLOUR_BINS ** 3,)``."""
    likelihoods = []
    for weights in (belief, 1 - belief):
        histogram = np.bincount(colours.ravel(), weights.ravel(), COLOUR_BINS**3)
        smooth = ndimage.gaussian_filter(histogram.reshape((COLOUR_BINS,) * 3), SMOOTHING, truncate=3.0)
        likelihoods.append(smooth.ravel() / smooth.sum() + _LEAST_LIKELIHOOD)
    ratio: NDArray[np.float32] = np.log(likelihoods[0] / likelihoods[1]).astype(np.float32)
    return ratio
