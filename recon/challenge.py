"""A known solution against what a search from nothing finds in the same views, and the better of them refined.

A solution of few views that is wrong stays wrong however many come: each new one is registered to it. Nor does it
show, for they fit it as well as those it was made of. So a shape that is not sure of its cameras has to stand against a
rival when it is continued; one that is sure is only continued, since that takes a fraction of the time.
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
from recon.pipeline import reconstruct
from recon.progress import ProgressCallback, Reporter
from recon.result import Reconstruction
from recon.types import Views
from recon.untangle import untangled
from recon.volume import Hypotheses, join
from recon.warm import carried, centred, placed


def challenge(
    views: Views,
    known: Reconstruction,
    config: ReconConfig | None = None,
    *,
    seed: int = 0,
    device: str | torch.device = "cpu",
    progress: ProgressCallback | None = None,
) -> tuple[Reconstruction, bool]:
    """Searches for a solution that fits better than a known one.

    Views of the known solution that lie both ways round are sorted out, too.

    Args:
        views: as for `reconstruct`; those that the known solution has no cameras of are registered to it.
        known: a reconstruction with the verdict ``shape``.
        config: defaults to the ``quick`` preset.
        seed: the same seed gives the same result on the same device.
        device: torch device to compute on.
        progress: told where the work is; it may raise to cancel.

    Returns:
        What the better solution comes to, and whether that is the known one, continued.

    Raises:
        ReconstructionError: if the views' arrays do not fit together, or nothing is known to stand against.
    """
    config = config or ReconConfig()
    check_views(views)
    if known.shape is None or known.verdict != "shape":
        raise ReconstructionError(f"a challenge needs a known shape, not the verdict {known.verdict}")
    if usable(views).sum() < config.min_views:
        return reconstruct(views, config, warm=known, seed=seed, device=device, progress=progress), True
    place, report = torch.device(device), Reporter(progress)
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        report.span("features", 0.0, 0.02)(0.0)
        given = prepare(views, config, known, place)
        chosen = given.chosen
        told = replace(given.model, prior=prior_of(chosen.viewpoints, place))
        poses = placed(chosen.ids, told, known.ids, known.shape, config, seed)
        found = _better(poses, told, chosen, config, generator, report)
        stands = torch.equal(found.poses.angles, poses.angles)
        if stands:
            found = replace(found, density=carried(known.shape, centred(told.distance), place))
        result = conclude(found, given, config, generator, report, seed)
    report.span("done", 1.0, 1.0)(1.0)
    return result, stands


def _better(
    known: Hypotheses, model: Model, views: Views, config: ReconConfig, generator: torch.Generator, report: Reporter
) -> Found:
    """The known solution, or what fits better."""
    rivals, judged = finalists(model, config, views, generator, report.part(0.05, 0.6), Checkpoint())
    best = best_fit(join(known, rivals), judged, views, config.trial, generator, report.span("contest", 0.6, 0.75))
    folds = assign_folds(len(views), config.fine.folds, generator, known.angles.device)
    tick = report.span("untangle", 0.75, 0.85)
    return Found(untangled(best, judged, views, folds, config, generator, tick), folds)
