"""Reconstruction alone: each shape from its true members, with predicted masks and no clustering."""

from __future__ import annotations

import io
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from actors.views import make_views
from index.backbones import Backbone, load_backbone
from index.views import ObjectView
from ops.bench.report import Measure, Report
from ops.bench.shapes import Judge, Judgement, Recovered, pose_measures, surface_measures
from ops.bench.truth import load_truth
from ops.errors import NotFoundError, SourceError
from recon import ReconConfig, Reconstruction, reconstruct
from recon.config import Effort
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
        seed: of the reconstruction.
    """

    shapes: Sequence[str] = ()
    views: int = 100
    effort: Effort = "quick"
    backbone: str = "embedded"
    device: str = "cpu"
    seed: int = 0


@dataclass(slots=True)
class _Tally:
    judged: list[Judgement] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)


def run(data: Path, settings: Settings, progress: Callable[[str], None] = lambda line: None) -> Report:
    """Reconstruct shapes one after the other and compare them with the truth.

    Args:
        data: folder with shards and truth.
        settings: what and how.
        progress: told one line a shape.

    Raises:
        NotFoundError: a named shape is not in the truth.
        SourceError: the folder has no shards or no truth.
    """
    truth = load_truth(data)
    if unknown := sorted(set(settings.shapes) - set(truth.shapes)):
        raise NotFoundError(f"the truth has no shape {', '.join(unknown)}")
    names = list(settings.shapes) or truth.shapes
    keys = {name: [image.key for image in truth.of_shape(name)][: settings.views] for name in names}
    pictures = read_pictures(data / "shards", {key for members in keys.values() for key in members})
    encoder, judge, tally = load_backbone(settings.backbone, device=settings.device), Judge(truth), _Tally()
    for name in names:
        views = find_views(encoder, [pictures[key] for key in keys[name]])
        began = time.perf_counter()
        found = _reconstruct(views, settings)
        tally.seconds.append(time.perf_counter() - began)
        tally.verdicts[found.verdict] += 1
        if (recovered := _recovered(name, keys[name], found)) is not None:
            tally.judged.append(judge.judge(recovered))
        progress(f"{name}: {found.verdict}, {tally.seconds[-1]:.0f} s; {found.reason}")
    return _report(data, settings, tally, judge, names)


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


def _reconstruct(views: Views, settings: Settings) -> Reconstruction:
    config = ReconConfig.preset(settings.effort)
    return reconstruct(views, config, seed=settings.seed, device=settings.device)


def _recovered(name: str, keys: Sequence[str], found: Reconstruction) -> Recovered | None:
    """The shape in the form that can be judged; None if there is none or every view was thrown out."""
    if found.shape is None or not (used := np.flatnonzero(found.shape.cameras.weight > 0)).size:
        return None
    mesh = trimesh.Trimesh(found.shape.mesh.vertices, found.shape.mesh.faces, process=False)
    members = [keys[place] for place in found.ids[used]]
    return Recovered(name, len(keys), mesh, members, found.shape.cameras.R[used].astype(float))


def _report(data: Path, settings: Settings, tally: _Tally, judge: Judge, names: Sequence[str]) -> Report:
    measures: list[Measure] = []
    if tally.judged:
        measures = pose_measures(tally.judged) + surface_measures(tally.judged)
    measures += [_of_shape(judgement) for judgement in tally.judged]
    facts: dict[str, str | int | float] = {
        "backbone": settings.backbone,
        "effort": settings.effort,
        "seed": settings.seed,
        "shapes": len(names),
        "with a shape": len(tally.judged),
        "verdicts": ", ".join(f"{verdict} {count}" for verdict, count in tally.verdicts.most_common()),
        "seconds a shape, median": float(np.median(tally.seconds)),
    }
    return Report(f"{data.name}: reconstruction from true members, predicted masks", measures, facts)


def _of_shape(judgement: Judgement) -> Measure:
    degrees = float(np.median(judgement.errors))
    others = {"sphere": judgement.sphere.fscore, "oracle hull": judgement.hull.fscore}
    return Measure(
        f"{judgement.shape}: F-score ({degrees:.0f}°)",
        judgement.surface.fscore,
        "higher",
        others,
    )
