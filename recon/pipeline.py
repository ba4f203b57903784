"""The way from views to a reconstruction: choose views, find cameras cold or warm, judge, build the shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ops.errors import ReconstructionError
from recon.checkpoint import Checkpoint, checkpoint_in
from recon.cold import Found, cold_start
from recon.conclude import conclude, final_volumes
from recon.config import ReconConfig
from recon.em import Model
from recon.given import check_views, prepare, usable
from recon.guess import prior_of
from recon.keypoint_start import keypoint_start
from recon.known import check_rotations, known_start
from recon.progress import ProgressCallback, Reporter
from recon.refine import judge_held_out
from recon.result import Reconstruction
from recon.revolution import fit_revolution
from recon.types import Views
from recon.warm import warm_start


def reconstruct(
    views: Views,
    config: ReconConfig | None = None,
    *,
    warm: Reconstruction | None = None,
    rotations: NDArray[np.float32] | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    progress: ProgressCallback | None = None,
    checkpoints: Path | None = None,
) -> Reconstruction:
    """Recovers cameras and shape from unlabelled views of one kind of object.

    Args:
        views: at least ``config.min_views`` of them usable; beyond ``config.max_views`` the first ones are only
            registered.
        config: defaults to the ``quick`` preset.
        warm: an earlier reconstruction to continue; one without a shape is ignored, for there is nothing to
            continue. Ids of views it knows keep their cameras as the start. Whether another solution fits better by
            now is for `challenge` to say.
        rotations: ``(N, 3, 3)`` of the views' cameras, object to camera in PyTorch3D's axes, where they are known:
            nothing is searched or refined then. The object's y axis is up; if it is to be symmetric, it is in x.
        seed: the same seed gives the same result on the same device.
        device: torch device to compute on.
        progress: told where the work is; it may raise to cancel.
        checkpoints: folder where a cold start keeps the steps it has done, until it is done; the same call after an
            interruption goes on from there, to the same result.

    Returns:
        A verdict, with a shape where there is one.

    Raises:
        ReconstructionError: if the views' arrays do not fit together, or both a start and rotations are given.
    """
    config = config or ReconConfig()
    check_views(views)
    if rotations is not None:
        config = _with_known(views, rotations, config, warm)
    seen = int(usable(views).sum())
    if seen < config.min_views:
        reason = f"{seen} views with a foreground, {config.min_views} needed"
        return Reconstruction("too_few_views", reason, views.ids, None)
    known = warm if warm is not None and warm.shape is not None and warm.verdict == "shape" else None
    place, report = torch.device(device), Reporter(progress)
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        report.span("features", 0.0, 0.02)(0.0)
        given = prepare(views, config, known, place)
        chosen, model = given.chosen, given.model
        checkpoint = Checkpoint()
        if rotations is not None:
            found = known_start(model, config, rotations[given.fitted], generator)
        elif known is None or known.shape is None:
            if config.recipe == "3dminer":
                found = keypoint_start(model, config, chosen, generator, report)
            else:
                checkpoint = checkpoint_in(checkpoints, chosen, config, seed, place)
                found = cold_start(model, config, chosen, generator, report, checkpoint)
            found = _prefer_round(found, model, config, generator)
        else:
            told = replace(model, prior=prior_of(chosen.viewpoints, place))
            found = warm_start(chosen.ids, told, known.ids, known.shape, config, generator, report, seed)
        result = conclude(found, given, config, generator, report, seed)
    checkpoint.close()
    report.span("done", 1.0, 1.0)(1.0)
    return result


def _with_known(
    views: Views, rotations: NDArray[np.float32], config: ReconConfig, warm: Reconstruction | None
) -> ReconConfig:
    """The configuration under which known rotations stay as they are."""
    check_rotations(rotations, len(views))
    if warm is not None:
        raise ReconstructionError("either an earlier reconstruction or known rotations can be started from, not both")
    return replace(config, joint=replace(config.joint, steps=0))


def _prefer_round(found: Found, model: Model, config: ReconConfig, generator: torch.Generator) -> Found:
    """A surface of revolution instead of the free shape, where its silhouettes agree as well."""
    rival = fit_revolution(model, generator)
    free = judge_held_out(final_volumes(found, model, config), found.poses, found.folds, model)
    if rival.iou < max(config.round_iou, config.round_ratio * float(free.iou.mean())):
        return found
    return Found(rival.poses, rival.folds, round_about=True)
