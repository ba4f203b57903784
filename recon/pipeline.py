"""The way from views to a reconstruction: choose views, find cameras cold or warm, judge, build the shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ops.errors import ReconstructionError
from recon.camera import Placement, join_cameras, select_cameras, to_cameras
from recon.checkpoint import Checkpoint, checkpoint_in
from recon.cold import Found, cold_start
from recon.config import ReconConfig
from recon.em import Model
from recon.evidence import FeatureBasis, fit_basis, gather_evidence
from recon.guess import prior_of
from recon.joint import SURFACE_LEVEL as JOINT_LEVEL
from recon.joint import JointFit, logits_of_occupancy, refine_carved, refine_jointly
from recon.keypoint_start import keypoint_start
from recon.known import check_rotations, known_start
from recon.mesh import carve, colour_vertices, finer, finish_mesh, place_mesh, surface
from recon.progress import ProgressCallback, Reporter
from recon.refine import HeldOut, judge_held_out
from recon.register import STRANGER_SHARE, evidence_for, register_evidence
from recon.result import NO_DENSITY, Reconstruction, Shape, VoxelField
from recon.revolution import fit_revolution
from recon.types import ARRAYS, Quality, Verdict, Viewpoints, Views
from recon.volume import Hypotheses, Volumes, build_volumes
from recon.warm import warm_start, with_rival

_FEATURE_FLOOR = 0.05


@dataclass(frozen=True, slots=True)
class _Final:
    """What a shape is built from.

    Attributes:
        found: the poses.
        held_out: their agreement with the views.
        field: ``(D, D, D)`` whose level set is the surface.
        level: of the surface.
        fitted: it is the occupancy of a joint refinement, not a carved hull.
    """

    found: Found
    held_out: HeldOut
    field: NDArray[np.float32]
    level: float
    fitted: bool


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
            continue. Ids of views it knows keep their cameras as the start.
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
    _check(views)
    if rotations is not None:
        config = _with_known(views, rotations, config, warm)
    usable = int(_usable(views).sum())
    if usable < config.min_views:
        reason = f"{usable} views with a foreground, {config.min_views} needed"
        return Reconstruction("too_few_views", reason, views.ids, None)
    known = warm if warm is not None and warm.shape is not None and warm.verdict == "shape" else None
    place, report = torch.device(device), Reporter(progress)
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        fitted = fitted_rows(views, config.max_views)
        rest = np.setdiff1d(np.arange(len(views)), fitted)
        chosen = views.take(fitted)
        report.span("features", 0.0, 0.02)(0.0)
        model, basis = _model(chosen, config, known, place)
        checkpoint, searched = Checkpoint(), len(chosen)
        if rotations is not None:
            found = known_start(model, config, rotations[fitted], generator)
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
            if len(chosen) >= config.search_again * known.searched:
                found = with_rival(found, model, config, chosen, generator, report)
            else:
                searched = known.searched
        if found.density is not None:
            config = replace(config, joint=replace(config.joint, steps=config.joint.steps // 2))
        verdict, reason, shape = _conclude(found, model, basis, chosen, config, generator, report)
        if shape is not None and len(rest):
            shape = _add_registered(shape, views, fitted, rest, config, seed, place)
    checkpoint.close()
    report.span("done", 1.0, 1.0)(1.0)
    return Reconstruction(verdict, reason, views.ids, shape, searched)


def _with_known(
    views: Views, rotations: NDArray[np.float32], config: ReconConfig, warm: Reconstruction | None
) -> ReconConfig:
    """The configuration under which known rotations stay as they are."""
    check_rotations(rotations, len(views))
    if warm is not None:
        raise ReconstructionError("either an earlier reconstruction or known rotations can be started from, not both")
    return replace(config, joint=replace(config.joint, steps=0))


def _check(views: Views) -> None:
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
    return np.flatnonzero(_usable(views))[-limit:]


def _usable(views: Views) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = views.masks.reshape(len(views), -1).mean(1) > 1e-3
    return found


def _model(
    views: Views, config: ReconConfig, known: Reconstruction | None, device: torch.device
) -> tuple[Model, FeatureBasis]:
    if known is not None and known.shape is not None:
        field = known.shape.field
        model = Model.of(evidence_for(views, known.shape, device), config)
        return replace(model, mirror=field.mirror, floor=field.floor), field.basis.to(device)
    basis = fit_basis(views, config.feature_dims, device)
    return Model.of(gather_evidence(views, basis, device), config), basis


def _prefer_round(found: Found, model: Model, config: ReconConfig, generator: torch.Generator) -> Found:
    """A surface of revolution instead of the free shape, where its silhouettes agree as well."""
    rival = fit_revolution(model, generator)
    free = judge_held_out(_volumes(found, model, config), found.poses, found.folds, model)
    if rival.iou < max(config.round_iou, config.round_ratio * float(free.iou.mean())):
        return found
    return Found(rival.poses, rival.folds, round_about=True)


def _conclude(
    found: Found,
    model: Model,
    basis: FeatureBasis,
    views: Views,
    config: ReconConfig,
    generator: torch.Generator,
    report: Reporter,
) -> tuple[Verdict, str, Shape | None]:
    held_out = judge_held_out(_volumes(found, model, config), found.poses, found.folds, model)
    score = float(held_out.score.mean())
    if score < config.min_score:
        return "thin_evidence", f"held-out score {score:.2f} is below {config.min_score:.2f}", None
    found = replace(found, poses=_without_strangers(found.poses, held_out, score))
    final = _refined(found, held_out, model, views, config, generator, report)
    report.span("surface", 0.97, 1.0)(0.0)
    shape = _build_shape(final, model, basis, views, config)
    if shape is None:
        return "thin_evidence", "the carved volume is empty", None
    if found.round_about:
        return "rotational_symmetry", "a surface of revolution explains the silhouettes as well", shape
    score = float(final.held_out.score.mean())
    return "shape", f"held-out score {score:.2f} over {shape.quality.views} views", shape


def _refined(
    found: Found,
    held_out: HeldOut,
    model: Model,
    views: Views,
    config: ReconConfig,
    generator: torch.Generator,
    report: Reporter,
) -> _Final:
    """Field and cameras refined by gradients where that raises the held-out score, else the carved hull."""
    tick = report.span("joint", 0.85, 0.97)
    if config.joint.steps and not found.round_about:
        fit = _jointly(found, model, views, config, generator, tick)
        rival = replace(found, poses=fit.poses)
        judged = judge_held_out(_volumes(rival, model, config), fit.poses, found.folds, model)
        if judged.score.mean() >= held_out.score.mean():
            rival = replace(rival, poses=replace(fit.poses, score=judged.score[None]))
            return _Final(rival, judged, fit.occupancy(config.joint.resolution), JOINT_LEVEL, fitted=True)
    hull, level = carve(found.poses, model, views, config.mesh_resolution, found.round_about)
    return _Final(found, held_out, hull, level, fitted=False)


def _jointly(
    found: Found,
    model: Model,
    views: Views,
    config: ReconConfig,
    generator: torch.Generator,
    tick: Callable[[float], None],
) -> JointFit:
    """Goes on with the occupancy of an earlier fit where there is one, else begins with the masks' votes."""
    if found.density is None:
        return refine_carved(found.poses, model, views, config.joint, generator, tick)
    return refine_jointly(found.poses, model, logits_of_occupancy(found.density), config.joint, generator, tick)


def _volumes(found: Found, model: Model, config: ReconConfig) -> Volumes:
    return build_volumes(
        found.poses,
        model.evidence,
        found.folds,
        config.fine.resolution,
        model.distance,
        model.mirror,
        settle=False,
        round_about=found.round_about,
    )


def _without_strangers(poses: Hypotheses, held_out: HeldOut, typical: float) -> Hypotheses:
    fits = (held_out.score >= STRANGER_SHARE * typical).to(poses.weight.dtype)
    return replace(poses, score=held_out.score[None], weight=poses.weight * fits)


def _build_shape(final: _Final, model: Model, basis: FeatureBasis, views: Views, config: ReconConfig) -> Shape | None:
    found, held_out, poses = final.found, final.held_out, final.found.poses
    body = surface(finer(final.field, config.mesh_resolution) if final.fitted else final.field, final.level)
    if body is None:
        return None
    place = place_mesh(body, model.distance)
    volumes = _volumes(found, model, config)
    colors = colour_vertices(body, volumes.occupancy[0, -1], poses, model, views)
    loss = (1 - held_out.score).clamp(0, 1)
    kept = poses.weight[0] > 0
    quality = Quality(
        loss=float(loss[kept].mean()),
        silhouette_iou=float(held_out.iou[kept].mean()),
        feature_distance=float(held_out.distance[kept].mean()),
        views=int(kept.sum()),
    )
    cameras = to_cameras(poses.angles[0], poses.frame[0], model.evidence, place, loss, poses.weight[0])
    return Shape(cameras, _field(volumes, basis, place, model, final), finish_mesh(body, place, colors), quality)


def _field(volumes: Volumes, basis: FeatureBasis, place: Placement, model: Model, final: _Final) -> VoxelField:
    features = volumes.features[0, -1]
    voxels = (features.norm(dim=-1) > _FEATURE_FLOOR).nonzero()[:, 0]
    return VoxelField(
        occupancy=_numpy(volumes.occupancy[0, -1]).astype(np.float16),
        voxels=voxels.int().cpu().numpy(),
        features=_numpy(features[voxels]).astype(np.float16),
        basis=basis.to(torch.device("cpu")),
        place=place,
        mirror=model.mirror,
        floor=model.floor,
        density=(255 * final.field).round().astype(np.uint8) if final.fitted else NO_DENSITY,
    )


def _numpy(x: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = x.cpu().numpy()
    return array


def _add_registered(
    shape: Shape,
    views: Views,
    fitted: NDArray[np.int64],
    rest: NDArray[np.int64],
    config: ReconConfig,
    seed: int,
    device: torch.device,
) -> Shape:
    """Fills in the cameras of the views that did not take part in the fit."""
    others = views.take(rest)
    evidence, prior = evidence_for(others, shape, device), prior_of(others.viewpoints, device)
    extra = register_evidence(evidence, prior, shape, config, seed)
    order = np.argsort(np.concatenate([fitted, rest]))
    return replace(shape, cameras=select_cameras(join_cameras([shape.cameras, extra]), order))
