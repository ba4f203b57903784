"""A known solution against what a search from nothing finds in the same views.

A solution of few views that is wrong stays wrong however many come: each new one is registered to it. Nor does it
show, for they fit it as well as those it was made of. So from time to time the known solution has to stand against a
rival; not each time that a shape is continued, since that takes a fraction of the time and is mostly enough.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from ops.errors import ReconstructionError
from recon.checkpoint import Checkpoint
from recon.cold import Found, finalists
from recon.conclude import conclude
from recon.config import ReconConfig
from recon.contest import best_fit
from recon.em import Model, assign_folds
from recon.given import check_views, prepare, usable
from recon.guess import prior_of
from recon.progress import ProgressCallback, Reporter
from recon.result import Reconstruction
from recon.types import Views
from recon.untangle import untangled
from recon.volume import Hypotheses, join
from recon.warm import placed


def challenge(
    views: Views,
    known: Reconstruction,
    config: ReconConfig | None = None,
    *,
    seed: int = 0,
    device: str | torch.device = "cpu",
    progress: ProgressCallback | None = None,
) -> Reconstruction | None:
    """Searches for a solution that fits better than a known one, as briefly as a draft does.

    Views of the known solution that lie both ways round are sorted out, too.

    Args:
        views: as for `reconstruct`; those that the known solution has no cameras of are registered to it.
        known: a reconstruction with the verdict ``shape``.
        config: defaults to the ``quick`` preset; the search is a draft's, whatever it says of its stages.
        seed: the same seed gives the same result on the same device.
        device: torch device to compute on.
        progress: told where the work is; it may raise to cancel.

    Returns:
        The better solution, refined as a cold start is; None where the known one stands.

    Raises:
        ReconstructionError: if the views' arrays do not fit together, or nothing is known to stand against.
    """
    config = config or ReconConfig()
    check_views(views)
    if known.shape is None or known.verdict != "shape":
        raise ReconstructionError(f"a challenge needs a known shape, not the verdict {known.verdict}")
    if usable(views).sum() < config.min_views:
        return None
    place, report = torch.device(device), Reporter(progress)
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        report.span("features", 0.0, 0.02)(0.0)
        given = prepare(views, config, known, place)
        chosen = given.chosen
        told = replace(given.model, prior=prior_of(chosen.viewpoints, place))
        poses = placed(chosen.ids, told, known.ids, known.shape, config, seed)
        found = _rival(poses, told, chosen, config, generator, report)
        result = None
        if found is not None:
            result = conclude(found, given, config, generator, report, seed)
    report.span("done", 1.0, 1.0)(1.0)
    return result


def _rival(
    known: Hypotheses, model: Model, views: Views, config: ReconConfig, generator: torch.Generator, report: Reporter
) -> Found | None:
    """What fits better than the known solution; None if nothing does."""
    draft = config.drafted()
    rivals, judged = finalists(model, draft, views, generator, report.part(0.05, 0.6), Checkpoint())
    best = best_fit(join(known, rivals), judged, views, draft.trial, generator, report.span("contest", 0.6, 0.75))
    folds = assign_folds(len(views), config.fine.folds, generator, known.angles.device)
    poses = untangled(best, judged, views, folds, config, generator, report.span("untangle", 0.75, 0.85))
    return None if torch.equal(poses.angles, known.angles) else Found(poses, folds)
