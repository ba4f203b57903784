"""Libraries for the tests of the page: one stored by the real writer with a shape that was really reconstructed, and
one of ten thousand shapes that are made up."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.keypoints import keypoints_file
from actors.reconstruction import _output
from index.ingest import Ingest
from index.jobs import PREVIEW, ReconInput, ReconOutput
from index.schedule import Policy
from index.store import Store
from index.stream.batch import Sample
from index.tables import ARTIFACTS
from index.views import ObjectView
from ops.bench import pages
from ops.errors import RejectError
from recon import Reconstruction, reconstruct
from recon.config import JointStage, Stage
from tests.batches import batch, open_ingest, sample, view
from tests.library_factory import png
from tests.recon_scene import SMALL, Scene, make_scene
from tests.test_daemon_registration import SceneBackbone, _enlarged

CHAIRS, OTHERS = 24, 40
STRANGER = 5
"""The image of a chair that is said not to fit."""
_HASTY = replace(
    SMALL, coarse=Stage(4, 4, 3, 18, 3, 14, 24, 8), medium=Stage(1, 2, 3, 24, 3, 16, 24),
    fine=Stage(1, 1, 3, 24, 3, 18, 24), trial=JointStage(8, 16, 1500, 4), joint=JointStage(30, 24, 2000, 8),
    mesh_resolution=32,
)  # fmt: skip
_POLICY = Policy(min_views=1, growth=1.0, max_failures=2, max_images=CHAIRS)


class ChairBackbone(SceneBackbone):
    """Sees one of the chairs, from a side that its shape was not reconstructed from, in every image."""

    def __init__(self) -> None:
        super().__init__()
        self.fingerprint = "f" * 8

    def _view(self, image: NDArray[np.uint8]) -> ObjectView:
        return replace(super()._view(image), descriptor=_chair_view(99).descriptor)


def make_page_library(folder: Path) -> int:
    """Stores pictures of a chair, others and three refusals, and tries the chair's shape four times.

    Returns:
        The id of the chair's cluster, whose second version is published, whose third is a candidate and whose
        fourth holds no shape.
    """
    ingest = open_ingest(folder)
    ingest.commit(batch("/crawl/chairs.tar", [_chair(n) for n in range(CHAIRS)], last=True))
    refused = [
        sample(OTHERS + n, reject=RejectError(reason, "found by a test"))
        for n, reason in enumerate(("too_small", "broken_image", "too_small"))
    ]
    ingest.commit(batch("/crawl/others.tar", [*(sample(n, 100 + n) for n in range(OTHERS)), *refused]))
    ingest.settle()
    outcomes = []
    for loss, baseline in ((0.3, 1.0), (0.25, 0.3), (0.4, 0.25)):
        given = _chairs_due(ingest)
        output = replace(_reconstructed(given), loss=loss, held_out=3, held_out_loss=loss, baseline_loss=baseline)
        outcomes.append(ingest.publish(output).outcome)
    nothing = replace(_reconstructed(_chairs_due(ingest)), verdict="thin_evidence", reason="views disagree", loss=1.0)
    outcomes.append(ingest.publish(replace(nothing, cameras=[], artifacts={}, vertices=0, faces=0)).outcome)
    ingest.close()
    assert outcomes == ["published", "published", "candidate", "no_shape"]
    return given.job.cluster


@cache
def _scene() -> Scene:
    scene = make_scene(CHAIRS)
    return replace(scene, views=replace(scene.views, ids=np.arange(CHAIRS)))


@cache
def _found() -> Reconstruction:
    return reconstruct(_scene().views, _HASTY)


@cache
def _keypoints() -> dict[str, bytes]:
    return keypoints_file(_scene().views, _found(), None, "cpu")


def _chair_view(seed: int) -> ObjectView:
    return view(7 + 8 * seed, 8)  # all near one centre that no other picture is near to


def _chair(number: int) -> Sample:
    views = _scene().views
    shown = replace(_chair_view(number), crop=_enlarged(views.crops[number]), mask=_enlarged(views.masks[number]))
    return Sample(number, f"chair{number}", "", f"{10_000 + number:064d}", (64, 64), views=(shown,))


def _chairs_due(ingest: Ingest) -> ReconInput:
    inputs = (ingest.recon_input(job, _POLICY) for job in ingest.due(_POLICY).jobs)
    return next(given for given in inputs if set(given.samples) <= set(range(CHAIRS)))


def _reconstructed(given: ReconInput) -> ReconOutput:
    output = _output(given, _found(), set(range(CHAIRS)), None, False, 12.0, "cpu")
    cameras = [msgspec.structs.replace(c, weight=0.0) if c.sample == STRANGER else c for c in output.cameras]
    return replace(output, cameras=cameras, artifacts={**output.artifacts, **_keypoints()})


def make_crowded_library(folder: Path, shapes: int) -> None:
    """So many shapes of made-up figures, each with a picture."""
    pages.build(folder, shapes)
    store = Store(folder, readonly=False, map_size_gib=1)
    with store.write() as txn:
        for cluster in range(1, shapes + 1):
            txn.put(ARTIFACTS, (cluster, 1, PREVIEW), png(side=8))
    store.close()
