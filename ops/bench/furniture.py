"""A finished state directory against the truth of its data, beside baselines on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from index.library import Library, open_library
from ops.bench.masks import centred_ellipse, iou, mean_by_group
from ops.bench.partition import offline_clusterings, score_partition
from ops.bench.report import Measure, Report
from ops.bench.shapes import Judge, Recovered, pose_measures, surface_measures
from ops.bench.snapshot import Snapshot, image_mask, published_shapes, take_snapshot
from ops.bench.truth import Truth, load_truth


def run(data: Path, state: Path) -> Report:
    """Measure clusters, masks, poses and shapes of a library, as far as the data have truth for them.

    Raises:
        SourceError: the data have no truth.
        StateError: the state directory is none, or holds none of these images.
    """
    truth, library = load_truth(data), open_library(state)
    try:
        snapshot = take_snapshot(library, truth)
        shapes = published_shapes(library, snapshot, truth)
        measures = cluster_measures(snapshot, truth) + mask_measures(library, snapshot, truth)
        measures += shape_measures(shapes, truth)
        facts = _facts(library, snapshot, truth, shapes)
    finally:
        library.close()
    return Report(f"{data.name}: the library against the truth", measures, facts)


def cluster_measures(snapshot: Snapshot, truth: Truth) -> list[Measure]:
    """Agreement of the clusters with the shapes, beside offline clusterings of the same vectors."""
    true = [truth.images[image.key].shape for image in snapshot.images]
    ours = score_partition(true, snapshot.clusters)
    others = {
        name: score_partition(true, labels.tolist())
        for name, labels in offline_clusterings(snapshot.vectors, len(set(true))).items()
    }
    return [
        Measure("ARI", ours.ari, "higher", {name: score.ari for name, score in others.items()}),
        Measure("NMI", ours.nmi, "higher", {name: score.nmi for name, score in others.items()}),
        Measure("purity of clusters", ours.purity, "higher", {name: s.purity for name, s in others.items()}),
        Measure("clusters", ours.clusters, "context", {n: s.clusters for n, s in others.items()}),
        Measure("largest cluster", ours.largest, "context", {n: s.largest for n, s in others.items()}),
        Measure("images in clusters", ours.clustered, "higher", {n: s.clustered for n, s in others.items()}),
    ]


def mask_measures(library: Library, snapshot: Snapshot, truth: Truth) -> list[Measure]:
    """Mean IoU by backdrop, beside masks that do not look at the image; none without true masks."""
    groups: dict[str, list[tuple[str, float]]] = {"ours": [], "whole image": [], "centred ellipse": []}
    for image in snapshot.images:
        if not truth.has_mask(image.key):
            continue
        true, backdrop = truth.mask(image.key), truth.images[image.key].background
        size = (image.width, image.height)
        groups["ours"].append((backdrop, iou(image_mask(library, image), true)))
        groups["whole image"].append((backdrop, iou(np.ones_like(true), true)))
        groups["centred ellipse"].append((backdrop, iou(centred_ellipse(size), true)))
    if not groups["ours"]:
        return []
    means = {name: mean_by_group(values) for name, values in groups.items()}
    ours = means.pop("ours")
    return [
        Measure(f"mask IoU, {group}", value, "higher", {name: means[name][group] for name in means})
        for group, value in ours.items()
    ]


def shape_measures(shapes: Sequence[Recovered], truth: Truth) -> list[Measure]:
    """Poses and surfaces of published shapes; none without meshes in the truth or without a shape."""
    known = [shape for shape in shapes if truth.has_mesh(shape.shape)]
    if not known:
        return []
    judge = Judge(truth)
    judged = [judge.judge(shape) for shape in known]
    return pose_measures(judged) + surface_measures(judged)


def _facts(
    library: Library, snapshot: Snapshot, truth: Truth, shapes: Sequence[Recovered]
) -> dict[str, str | int | float]:
    status, images = library.status(), len(snapshot.images)
    return {
        "backbone": status.backbone,
        "clusterer": status.clusterer,
        "images": f"{images} of {len(truth.images)}",
        "true shapes": len(truth.shapes),
        "published shapes": len(shapes),
        "true shapes found": len({shape.shape for shape in shapes}),
        "images under a published shape, share": sum(shape.weight for shape in shapes) / images,
        "images with a judged camera, share": sum(len(shape.keys) for shape in shapes) / images,
    }
