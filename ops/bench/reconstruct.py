"""Reconstruction alone: each shape from its true members, with predicted masks and no clustering."""

from __future__ import annotations

import io
import itertools
import tarfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from actors.views import make_views
from index.backbones import Backbone, load_backbone
from index.precision import Precision
from index.views import ObjectView
from ops.bench.report import Report
from ops.bench.shapes import Judge, Recovered
from ops.bench.trials import Trial, facts_of, measures_of
from ops.bench.truth import Truth, load_truth
from ops.errors import SourceError
from recon import ReconConfig, Reconstruction, reconstruct
from recon.config import Effort, FieldKind, Recipe
from recon.types import Views

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Settings:
    """What to reconstruct and how.

    Attributes:
        shapes: names of shapes; all if empty.
        views: images of each shape at most.
        effort: preset of the reconstruction.
        backbone: encoder of masks and features.
        device: torch device.
        seeds: of the reconstructions; each shape is reconstructed with all of them.
        field: what the joint refinement fits.
        rival: reconstruct by the 3DMiner recipe, too.
        strangers: images of other shapes to add for each of a shape's own, in further reconstructions; 0 for none.
        precision: arithmetic of the encoder.
    """

    shapes: Sequence[str] = ()
    views: int = 100
    effort: Effort = "quick"
    backbone: str = "embedded"
    device: str = "cpu"
    seeds: Sequence[int] = (0,)
    field: FieldKind | Literal["auto"] = "auto"
    rival: bool = True
    strangers: float = 0.0
    precision: Precision = "auto"


@dataclass(frozen=True, slots=True)
class _Cluster:
    """Images that are reconstructed together.

    Attributes:
        shape: the true shape of the first ``own`` keys.
        keys: its images and then strangers.
        own: how many are its own.
        views: what was found in them; ``ids`` are places in ``keys``.
    """

    shape: str
    keys: Sequence[str]
    own: int
    views: Views


def run(data: Path, settings: Settings, progress: Callable[[str], None] = lambda line: None) -> Report:
    """Reconstruct shapes one after the other and compare them with the truth.

    Args:
        data: folder with shards and truth.
        settings: what and how.
        progress: told one line a reconstruction.

    Raises:
        NotFoundError: a named shape is not in the truth.
        SourceError: the folder has no shards or no truth.
    """
    truth = load_truth(data)
    names = truth.wanted(settings.shapes)
    encoder = load_backbone(settings.backbone, device=settings.device, precision=settings.precision)
    judge = Judge(truth)
    trials: list[Trial] = []
    for name in names:
        for cluster in _clusters(data, name, settings, truth, encoder):
            trials += _tried(cluster, settings, judge, progress)
    facts: dict[str, str | int | float] = {
        "backbone": settings.backbone,
        "precision": settings.precision,
        "effort": settings.effort,
        "seeds": ", ".join(str(seed) for seed in settings.seeds),
        "shapes": len(names),
        **({"strangers for each image": settings.strangers} if settings.strangers else {}),
    }
    title = f"{data.name}: reconstruction from true members, predicted masks"
    return Report(title, measures_of(trials), facts | facts_of(trials))


def _clusters(data: Path, name: str, settings: Settings, truth: Truth, encoder: Backbone) -> Iterator[_Cluster]:
    """The true cluster of a shape, and the same with strangers if they are asked for."""
    keys = [image.key for image in truth.of_shape(name)][: settings.views]
    others = sorted(set(truth.images) - {image.key for image in truth.of_shape(name)})
    count = min(round(settings.strangers * len(keys)), len(others))
    strangers = [others[place] for place in np.random.default_rng(0).choice(len(others), count, replace=False)]
    pictures = read_pictures(data / "shards", {*keys, *strangers})
    members = keys + strangers
    views = find_views(encoder, [pictures[key] for key in members])
    yield _Cluster(name, keys, len(keys), views.take(np.flatnonzero(views.ids < len(keys))))
    if strangers:
        yield _Cluster(name, members, len(keys), views)


def _tried(cluster: _Cluster, settings: Settings, judge: Judge, progress: Callable[[str], None]) -> Iterator[Trial]:
    crowded = len(cluster.keys) > cluster.own
    recipes: tuple[Recipe, ...] = ("shapelode", "3dminer") if settings.rival and not crowded else ("shapelode",)
    for seed, recipe in itertools.product(settings.seeds, recipes):
        config = ReconConfig.preset(settings.effort, recipe, settings.field if recipe == "shapelode" else "auto")
        began = time.perf_counter()
        found = reconstruct(cluster.views, config, seed=seed, device=settings.device)
        trial = _trial(cluster, recipe, found, time.perf_counter() - began, judge)
        progress(_line(trial, seed, found.reason))
        yield trial


def _trial(cluster: _Cluster, recipe: Recipe, found: Reconstruction, seconds: float, judge: Judge) -> Trial:
    crowded = len(cluster.keys) > cluster.own
    if found.shape is None:
        return Trial(cluster.shape, recipe, crowded, found.verdict, seconds, 1.0, None)
    own, out = found.ids < cluster.own, found.shape.cameras.weight == 0
    known = recovered(cluster.shape, cluster.keys, cluster.own, found)
    cameras = found.shape.cameras
    sure, used = cameras.alternatives, own & ~out
    return Trial(
        cluster.shape, recipe, crowded, found.verdict, seconds, found.shape.quality.loss,
        judge.judge(known) if known else None,
        strangers_rejected=float(out[~own].mean()) if crowded else 0.0,
        members_rejected=float(out[own].mean()),
        certainty=None if sure is None else sure.certainty[used].astype(float),
        losses=cameras.loss[used].astype(float),
    )  # fmt: skip


def _line(trial: Trial, seed: int, reason: str) -> str:
    what = f"{trial.shape}{' with strangers' if trial.crowded else ''}, {trial.recipe}, seed {seed}"
    told = f"{what}: {trial.verdict}, {trial.seconds:.0f} s; {reason}"
    if trial.judged is None:
        return told
    errors = trial.judged.errors
    return (
        f"{told}; {np.median(errors):.0f}°, {np.mean(errors < 30):.2f} under 30°, F {trial.judged.surface.fscore:.2f}"
    )


def read_pictures(folder: Path, keys: Collection[str]) -> dict[str, Picture]:
    """Images ``(H, W, 3)`` uint8 of the wanted keys.

    Raises:
        SourceError: an image is missing in the shards.
    """
    found: dict[str, Picture] = {}
    for shard in sorted(folder.glob("*.tar")):
        with tarfile.open(shard) as archive:
            for member in archive:
                key, content = Path(member.name).stem, archive.extractfile(member)
                if member.name.endswith(".jpg") and key in keys and content is not None:
                    found[key] = np.asarray(
                        Image.open(io.BytesIO(content.read()), formats=("JPEG", "PNG")).convert("RGB")
                    )
    if missing := set(keys) - found.keys():
        raise SourceError(f"{folder}: {len(missing)} of {len(keys)} images are missing, such as {min(missing)}")
    return found


def find_views(backbone: Backbone, pictures: Sequence[Picture]) -> Views:
    """What a reconstruction sees of images; ``ids`` are their positions in the list.

    Images in which the backbone finds no object are left out.

    Raises:
        SourceError: that is all of them.
    """
    objects = list(enumerate(backbone.embed(pictures)))
    seen = [(place, view) for place, view in objects if isinstance(view, ObjectView)]
    if not seen:
        raise SourceError("no object was found in any image")
    places = np.array([place for place, _ in seen], dtype=np.int64)
    crops, masks = (np.stack([getattr(view, name) for _, view in seen]) for name in ("crop", "mask"))
    return make_views(backbone, places, crops, masks)


def recovered(shape: str, keys: Sequence[str], own: int, found: Reconstruction) -> Recovered | None:
    """The shape in the form that can be judged; None if there is none or every view of its own was thrown out.

    Args:
        shape: the true shape of the first ``own`` keys.
        keys: images; ids of the reconstruction are places among them.
        own: how many are of the shape.
        found: the reconstruction.
    """
    if found.shape is None:
        return None
    used = np.flatnonzero((found.shape.cameras.weight > 0) & (found.ids < own))
    if not used.size:
        return None
    mesh = trimesh.Trimesh(found.shape.mesh.vertices, found.shape.mesh.faces, process=False)
    members = [keys[place] for place in found.ids[used]]
    return Recovered(shape, own, mesh, members, found.shape.cameras.R[used].astype(float))
