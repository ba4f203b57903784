"""One reconstruction, from stored crops and masks to the record of a version."""

from __future__ import annotations

import io
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from actors.device import claim_cores, claim_device, releasing_memory
from actors.keypoints import keypoints_file
from actors.plan import ReconstructorOptions
from actors.trial import Trial, find_misfits, hold_trial
from actors.views import make_views
from index.backbones import Backbone, load_backbone
from index.codec import decode_crop, decode_mask
from index.form import pack, spectrum
from index.jobs import FIELD, FORM, MESH, PREVIEW, ReconInput, ReconOutput
from index.records import CameraRecord
from ops.faults import reach
from recon import (
    Cameras,
    Mesh,
    ReconConfig,
    Reconstruction,
    Views,
    fitted_rows,
    mesh_to_bytes,
    reconstruct,
    render_preview,
)


class Workshop:
    """A backbone for dense features and a device to reconstruct on."""

    def __init__(self, options: ReconstructorOptions) -> None:
        self._options = options
        claim_cores()
        self._device = claim_device(options.device)
        self._backbone: Backbone | None = None

    def _loaded(self) -> Backbone:
        if self._backbone is None:
            options = self._options
            self._backbone = load_backbone(options.backbone, device=self._device, precision=options.precision)
        return self._backbone

    def run(self, given: ReconInput) -> ReconOutput:
        """Reconstructs a cluster, from the version before if there is one.

        Raises:
            ReconstructionError: the reconstruction broke, or memory ran out.
        """
        with releasing_memory():
            return self._run(given)

    def _run(self, given: ReconInput) -> ReconOutput:
        began = time.perf_counter()
        reach("recon.before")
        views = self._views(given)
        before = Reconstruction.from_bytes(given.field) if given.field is not None else None
        judges = np.flatnonzero(np.isin(views.ids, given.held_out))
        shown = views.take(np.setdiff1d(np.arange(len(views)), judges))
        config = replace(
            ReconConfig.preset(self._options.effort, self._options.recipe, self._options.field),
            max_views=self._options.max_views,
            min_views=min(self._options.min_views, self._options.max_views),
        )
        found = self._best(shown, config, [Reconstruction.from_bytes(field) for field in given.starts])
        trial = None
        if before is not None and found.shape is not None and len(judges):
            trial = hold_trial(views.take(judges), before, found, self._device)
        fitted = set(shown.ids[fitted_rows(shown, config.max_views)].tolist())
        seconds, device = time.perf_counter() - began, torch.device(self._device).type
        misfits = self._misfits(shown, views.ids[judges], found, trial)
        output = replace(_output(given, found, fitted, trial, seconds, device), misfits=misfits)
        if found.shape is not None:
            output.artifacts.update(keypoints_file(views, found, trial, self._device))
        reach("recon.output")
        return output

    def _best(self, views: Views, config: ReconConfig, starts: list[Reconstruction]) -> Reconstruction:
        """The result that agrees best with the views, of one from each shape to start from.

        A rival to them is searched for once, beside the first.
        """
        warm: list[Reconstruction | None] = [start for start in starts if start.verdict == "shape"]
        configs = [config, *[replace(config, search_again=math.inf)] * (len(warm) - 1)]
        seed, kept = self._options.seed, self._checkpoints()
        results = [
            reconstruct(views, each, warm=start, seed=seed, device=self._device, checkpoints=kept)
            for start, each in zip(warm or [None], configs, strict=True)
        ]
        return min(results, key=lambda found: found.shape.quality.loss if found.shape is not None else math.inf)

    def _misfits(
        self, shown: Views, judges: NDArray[np.int64], found: Reconstruction, trial: Trial | None
    ) -> tuple[int, ...]:
        """Images that fit at no pose, of those that were fitted and those that judged."""
        if not self._options.hand_back:
            return ()
        misfits = find_misfits(shown, found, self._device)
        if trial is not None and found.verdict == "shape":
            misfits += judges[trial.cameras.weight == 0].tolist()
        return tuple(sorted(misfits))

    def _checkpoints(self) -> Path | None:
        """Only where the state directory is: an interrupted job comes back there."""
        folder = Path(self._options.checkpoints)
        return folder if self._options.checkpoints and folder.parent.is_dir() else None

    def _views(self, given: ReconInput) -> Views:
        crops = np.stack([decode_crop(raw) for raw in given.crops])
        masks = np.stack([decode_mask(raw) for raw in given.masks])
        return make_views(self._loaded(), np.asarray(given.samples, np.int64), crops, masks)


def _output(
    given: ReconInput, found: Reconstruction, fitted: set[int], trial: Trial | None, seconds: float, device: str
) -> ReconOutput:
    warm = bool(given.starts)
    shape = found.shape
    if shape is None:
        nothing = len(given.samples)
        return ReconOutput(
            given.job, found.verdict, found.reason, 1.0, 1.0, 0.0, 1.0, nothing, warm, seconds,
            samples=given.samples, device=device,
        )  # fmt: skip
    quality, mesh = shape.quality, shape.mesh
    cameras = _camera_records(found.ids.tolist(), shape.cameras, fitted)
    if trial is not None:
        cameras += _camera_records(list(given.held_out), trial.cameras, set())
    return ReconOutput(
        job=given.job,
        verdict=found.verdict,
        reason=found.reason,
        loss=quality.loss,
        baseline_loss=trial.baseline_loss if trial is not None else 1.0,
        silhouette_iou=quality.silhouette_iou,
        feature_distance=quality.feature_distance,
        views=quality.views,
        warm=warm,
        seconds=seconds,
        vertices=len(mesh.vertices),
        faces=len(mesh.faces),
        cameras=sorted(cameras, key=lambda camera: camera.sample),
        artifacts=_artifacts(found, mesh),
        samples=given.samples,
        device=device,
        held_out=trial.images if trial is not None else 0,
        held_out_loss=trial.loss if trial is not None else 0.0,
    )


def _artifacts(found: Reconstruction, mesh: Mesh) -> dict[str, bytes]:
    picture = io.BytesIO()
    Image.fromarray(render_preview(mesh, transparent=True)).save(picture, "PNG", optimize=True)
    form = pack(spectrum(mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)))
    return {FIELD: found.to_bytes(), MESH: mesh_to_bytes(mesh, "ply"), PREVIEW: picture.getvalue(), FORM: form}


def _camera_records(samples: list[int], cameras: Cameras, fitted: set[int]) -> list[CameraRecord]:
    return [
        CameraRecord(
            sample=sample,
            R=tuple(tuple(float(v) for v in row) for row in cameras.R[i]),  # type: ignore[arg-type]
            t=tuple(float(v) for v in cameras.t[i]),  # type: ignore[arg-type]
            fov=float(np.degrees(cameras.fov[i])),
            offset=(float(cameras.offset[i, 0]), float(cameras.offset[i, 1])),
            loss=float(cameras.loss[i]),
            weight=float(cameras.weight[i]),
            fitted=sample in fitted,
        )
        for i, sample in enumerate(samples)
    ]
