"""What a reconstruction is given: whether it holds together, which views of it are fitted, and the model of these."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ops.errors import ReconstructionError
from recon.config import ReconConfig
from recon.em import Model
from recon.evidence import FeatureBasis, fit_basis, gather_evidence
from recon.register import evidence_for
from recon.result import Reconstruction
from recon.types import ARRAYS, Viewpoints, Views


def check_views(views: Views) -> None:
    """Nothing, if a reconstruction can be asked of them.

    Raises:
        ReconstructionError: their arrays do not fit together or hold values that are not finite.
    """
    sizes = {name: len(getattr(views, name)) for name in ARRAYS}
    if views.viewpoints is not None:
        sizes |= {name: len(getattr(views.viewpoints, name)) for name in Viewpoints.__slots__}
    if len(set(sizes.values())) != 1:
        raise ReconstructionError(f"arrays of the views differ in length: {sizes}")
    if len(set(views.ids.tolist())) != len(views):
        raise ReconstructionError("ids of the views are not unique")
    if views.features.shape != views.flipped_features.shape or views.features.ndim != 4:
        raise ReconstructionError("features and flipped_features must both be (N, C, G, G)")
    if not (np.isfinite(views.features).all() and np.isfinite(views.flipped_features).all()):
        raise ReconstructionError("features hold values that are not finite")


def fitted_rows(views: Views, limit: int) -> NDArray[np.int64]:
    """Rows of the views that take part in a fit of at most so many: the last ones with a foreground."""
    return np.flatnonzero(usable(views))[-limit:]


def usable(views: Views) -> NDArray[np.bool_]:
    """``(N,)`` which views have a foreground."""
    found: NDArray[np.bool_] = views.masks.reshape(len(views), -1).mean(1) > 1e-3
    return found


@dataclass(frozen=True, slots=True)
class Given:
    """What a solution is searched for in.

    Attributes:
        views: all views.
        fitted: rows of those that are fitted; the others are only registered to what is found.
        chosen: the fitted views.
        model: of these, in the feature components of a known shape where there is one, else in their own.
        basis: these components.
    """

    views: Views
    fitted: NDArray[np.int64]
    chosen: Views
    model: Model
    basis: FeatureBasis


def prepare(views: Views, config: ReconConfig, known: Reconstruction | None, device: torch.device) -> Given:
    """Chooses the views that are fitted and gathers what they show."""
    fitted = fitted_rows(views, config.max_views)
    chosen = views.take(fitted)
    model, basis = _model(chosen, config, known, device)
    return Given(views, fitted, chosen, model, basis)


def _model(
    views: Views, config: ReconConfig, known: Reconstruction | None, device: torch.device
) -> tuple[Model, FeatureBasis]:
    if known is not None and known.shape is not None:
        field = known.shape.field
        model = Model.of(evidence_for(views, known.shape, device), config)
        return replace(model, mirror=field.mirror, floor=field.floor), field.basis.to(device)
    basis = fit_basis(views, config.feature_dims, device)
    return Model.of(gather_evidence(views, basis, device), config), basis
