"""One reconstruction, from stored crops and masks to the record of a version."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from actors.cameras import camera_records
from actors.device import claim_cores, claim_device, releasing_memory
from actors.keypoints import keypoints_file
from actors.patches import RememberedPatches
from actors.plan import ReconstructorOptions
from actors.trial import Trial, find_misfits, hold_trial
from actors.views import make_views
from index.backbones import load_backbone
from index.codec import decode_crop, decode_mask
from index.form import pack, spectrum
from index.jobs import FIELD, FORM, MESH, PREVIEW, ReconInput, ReconOutput
from index.records import CameraRecord
from ops.errors import ReconstructionError
from ops.faults import reach
from recon import (
    Mesh,
    ReconConfig,
    Reconstruction,
    Verdict,
    Views,
    challenge,
    fitted_rows,
    mesh_to_bytes,
    reconstruct,
    register,
    render_preview,
)


class Workshop:
    """A backbone for dense features and a device to reconstruct on."""

    def __init__(self, options: ReconstructorOptions) -> None:
        self._options = options
        claim_cores(options.sharers)
        self._device = claim_device(options.device)
        self._patches: RememberedPatches | None = None

    def _loaded(self) -> RememberedPatches:
        if self._patches is None:
            options = self._options
            backbone = load_backbone(options.backbone, device=self._device, precision=options.precision)
            self._patches = RememberedPatches(backbone, options.features_mib)
        return self._patches

    def run(self, given: ReconInput) -> ReconOutput:
        """Reconstructs a cluster, from the version before if there is one.

        Raises:
            ReconstructionError: the reconstruction broke, or memory ran out.
        """
        with releasing_memory():
            return self._run(given)

    def _run(self, given: ReconInput) -> ReconOutput:
        began, kind = time.perf_counter(), torch.device(self._device).type
        reach("recon.before")
        if given.job.kind == "register":
            return self._registered(given, began, kind)
        views = self._views(given)
        before = Reconstruction.from_bytes(given.field) if given.field is not None else None
        judges = np.flatnonzero(np.isin(views.ids, given.held_out))
        shown = views.take(np.setdiff1d(np.arange(len(views)), judges))
        config = replace(
            ReconConfig.preset(self._options.effort, self._options.recipe, self._options.field),
            max_views=self._options.max_views,
            min_views=min(self._options.min_views, self._options.max_views),
        )
        found, warm = self._found(given, shown, config)
        trial = None
        if before is not None and found.shape is not None and len(judges):
            trial = hold_trial(views.take(judges), before, found, self._device)
        fitted = set(shown.ids[fitted_rows(shown, config.max_views)].tolist())
        seconds = time.perf_counter() - began
        misfits = self._misfits(shown, views.ids[judges], found, trial)
        output = replace(_output(given, found, fitted, trial, warm, seconds, kind), misfits=misfits)
        if found.shape is not None:
            output.artifacts.update(keypoints_file(views, found, trial, self._device))
        reach("recon.output")
        return output

    def _found(self, given: ReconInput, views: Views, config: ReconConfig) -> tuple[Reconstruction, bool]:
        """The result, and whether it continues an earlier shape."""
        starts = [Reconstruction.from_bytes(field) for field in given.starts]
        known = [start for start in starts if start.verdict == "shape"]
        seed = self._options.seed
        if known and (given.job.kind == "search" or not given.job.version):
            # A shape that was handed down may be of another object: what it leads to has to stand against a search.
            return challenge(views, known[0], config, seed=seed, device=self._device)
        if given.brief and not known:  # a continued shape is built as finely as ever
            config = config.drafted()
        begins: list[Reconstruction | None] = [*known] or [None]
        kept = self._checkpoints()
        results = [
            reconstruct(views, config, warm=start, seed=seed, device=self._device, checkpoints=kept) for start in begins
        ]
        return min(results, key=lambda found: found.shape.quality.loss if found.shape else inf), bool(known)

    def _registered(self, given: ReconInput, began: float, kind: str) -> ReconOutput:
        """Cameras of new images in the published version, which stays as it is."""
        records: list[CameraRecord] = []
        if given.field is None:
            raise ReconstructionError(f"version {given.job.version} has no field to register images to")
        if given.samples:
            known = Reconstruction.from_bytes(given.field)
            cameras = register(self._views(given), known, seed=self._options.seed, device=self._device)
            records = camera_records(given.samples, cameras, ())
        misfits = tuple(camera.sample for camera in records if camera.weight == 0) if self._options.hand_back else ()
        output = _shapeless(given, "shape", "", time.perf_counter() - began, kind)
        return replace(output, cameras=records, misfits=misfits, warm=True)

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
    given: ReconInput,
    found: Reconstruction,
    fitted: set[int],
    trial: Trial | None,
    warm: bool,
    seconds: float,
    device: str,
) -> ReconOutput:
    shape = found.shape
    if shape is None:
        return replace(_shapeless(given, found.verdict, found.reason, seconds, device), warm=warm)
    quality, mesh = shape.quality, shape.mesh
    cameras = camera_records(found.ids.tolist(), shape.cameras, fitted)
    if trial is not None:
        cameras += camera_records(list(given.held_out), trial.cameras, set())
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
        certainty=shape.cameras.certainty,
    )


def _shapeless(given: ReconInput, verdict: Verdict, reason: str, seconds: float, device: str) -> ReconOutput:
    """What is told of a job that brings no new shape."""
    return ReconOutput(
        given.job, verdict, reason, 1.0, 1.0, 0.0, 1.0, len(given.samples), False, seconds,
        samples=given.samples, device=device,
    )  # fmt: skip


def _artifacts(found: Reconstruction, mesh: Mesh) -> dict[str, bytes]:
    picture = io.BytesIO()
    Image.fromarray(render_preview(mesh, transparent=True)).save(picture, "PNG", optimize=True)
    form = pack(spectrum(mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)))
    return {FIELD: found.to_bytes(), MESH: mesh_to_bytes(mesh, "ply"), PREVIEW: picture.getvalue(), FORM: form}
