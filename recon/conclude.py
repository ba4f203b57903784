"""From cameras to a shape: strangers put aside, field and cameras refined together, a surface, a verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recon.alternatives import PLACING_FLOOR, find_modes, grid_of, with_alternatives
from recon.camera import Placement, join_cameras, select_cameras, to_cameras
from recon.cold import Found
from recon.config import ReconConfig
from recon.em import Model, search_scores
from recon.evidence import FeatureBasis
from recon.given import Given
from recon.guess import prior_of
from recon.joint import SURFACE_LEVEL as JOINT_LEVEL
from recon.joint import JointFit, logits_of_occupancy, refine_carved
from recon.mesh import carve, colour_vertices, finer, finish_mesh, place_mesh, surface
from recon.progress import Reporter
from recon.refine import HeldOut, judge_held_out
from recon.register import STRANGER_SHARE, evidence_for, register_evidence
from recon.result import NO_DENSITY, Reconstruction, Shape, VoxelField
from recon.types import Cameras, Quality, Verdict, Views
from recon.volume import Hypotheses, Volumes, build_volumes

_FEATURE_FLOOR = 0.05
_CONTINUED = 0.75  # share of the steps that a continued fit takes
_KEPT = 0.9  # share of the held-out score that a refinement has to keep


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


def conclude(
    found: Found, given: Given, config: ReconConfig, generator: torch.Generator, report: Reporter, seed: int
) -> Reconstruction:
    """What poses come to.

    Args:
        found: poses of the fitted views.
        given: these views, and the others, which are registered to the shape.
        config: stages and their sizes.
        generator: source of randomness.
        report: where progress goes.
        seed: of the registration.
    """
    views, fitted = given.views, given.fitted
    verdict, reason, shape = _judged(found, given.model, given.basis, given.chosen, config, generator, report)
    rest = np.setdiff1d(np.arange(len(views)), fitted)
    if shape is not None and len(rest):
        shape = _add_registered(shape, views, fitted, rest, config, seed, found.poses.angles.device)
    return Reconstruction(verdict, reason, views.ids, shape)


def _judged(
    found: Found,
    model: Model,
    basis: FeatureBasis,
    views: Views,
    config: ReconConfig,
    generator: torch.Generator,
    report: Reporter,
) -> tuple[Verdict, str, Shape | None]:
    held_out = judge_held_out(final_volumes(found, model, config), found.poses, found.folds, model)
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
    """Field and cameras refined by gradients; the carved hull where that spoils the cameras, or is not asked for.

    The held-out score compares carved volumes, which hardly see what the refinement sharpens: it falls a little even
    where surface and cameras gain, and much only where the fit went astray.
    """
    tick = report.span("joint", 0.85, 0.97)
    if config.joint.steps and not found.round_about:
        fit = _jointly(found, model, views, config, generator, tick)
        rival = replace(found, poses=fit.poses)
        judged = judge_held_out(final_volumes(rival, model, config), fit.poses, found.folds, model)
        if judged.score.mean() >= _KEPT * held_out.score.mean():
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
    """From the masks' votes; with what an earlier fit has come to, where there is one, in a share of the steps."""
    if found.density is None:
        return refine_carved(found.poses, model, views, config.joint, generator, tick)
    shorter = replace(config.joint, steps=round(_CONTINUED * config.joint.steps))
    return refine_carved(found.poses, model, views, shorter, generator, tick, logits_of_occupancy(found.density))


def final_volumes(found: Found, model: Model, config: ReconConfig) -> Volumes:
    """Volumes of poses without each fold and of all views, on the finest grid, as they are judged by."""
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
    volumes = final_volumes(found, model, config)
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
    if not found.round_about:
        cameras, quality = _weighed(cameras, quality, volumes, final, model, place)
    return Shape(cameras, _field(volumes, basis, place, model, final), finish_mesh(body, place, colors), quality)


def _weighed(
    cameras: Cameras, quality: Quality, volumes: Volumes, final: _Final, model: Model, place: Placement
) -> tuple[Cameras, Quality]:
    """The cameras with what else they might be, unless they were given, and the margin that tells."""
    found, candidates = final.found, grid_of(model)
    placing = replace(model, floor=PLACING_FLOOR)
    scores, frames = search_scores(volumes, placing, found.folds, candidates)
    modes = find_modes(scores[0], candidates, found.poses.angles[0])
    level = float(modes.margin[found.poses.weight[0] > 0].mean())
    if not found.given:
        cameras = with_alternatives(cameras, modes, level, candidates, frames[0], model.evidence, place)
    return cameras, replace(quality, margin=level)


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
