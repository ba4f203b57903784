"""Small states as the writer leaves them, with shapes that no reconstruction had to find."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from index.curation import ClusterEdit, ImageEdit
from index.ingest import Ingest
from index.jobs import FIELD, MESH, PREVIEW, ReconInput, ReconJob, ReconOutput
from index.records import CameraRecord
from index.rollback import Rollback
from index.schedule import Policy
from index.stream.batch import Batch, Sample
from index.stream.signature import Signature
from ops.errors import RejectError
from tests.batches import DIM, batch, open_ingest, sample, stream
from tests.library_factory import box_ply, png

POLICY = Policy(min_views=4, growth=1.5, max_failures=2, max_images=32)
DELETED = 300
"""An image that was deleted from a busy state."""
EAGER = replace(POLICY, growth=1.01)
SHAPED = 1
"""The cluster of a busy state that has a shape."""
_SEEN = Signature(0x5A5A_0FF0_3C3C_1234, bytes(range(256)))
_TURN = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def shape_of(given: ReconInput, loss: float = 0.3, baseline: float = 1.0) -> ReconOutput:
    """A made-up result with all of its files and cameras, judged by the images that were kept out of it."""
    judges = given.held_out
    cameras = [
        CameraRecord(s, _TURN, (0.0, 0.0, 3.0), 40.0, (0.0, 0.0), 0.1, 1.0, s not in judges) for s in given.samples
    ]
    field = safetensors.numpy.save({"field": np.arange(12, dtype=np.float32)})
    files = {FIELD: field, MESH: box_ply(), PREVIEW: png()}
    return ReconOutput(
        given.job, "shape", "consistent views", loss, baseline, 0.8, 0.2, len(cameras), bool(given.field), 1.0, 8, 12,
        cameras, files, given.samples, held_out=len(judges), held_out_loss=loss if judges else 0.0,
    )  # fmt: skip


def no_shape(given: ReconInput) -> ReconOutput:
    """A result that found nothing."""
    found = shape_of(given)
    return replace(found, verdict="thin_evidence", reason="views disagree", loss=1.0, cameras=[], artifacts={})


def _restless_vector(seed: int) -> NDArray[np.float32]:
    family, member = np.random.default_rng(seed % 3), np.random.default_rng(100 + seed % 9)
    apart = 0.0 if seed // 160 % 2 else 0.3  # every other time what comes lies between the members of a family
    vector = family.normal(size=DIM) + apart * member.normal(size=DIM)
    vector += 0.4 * np.random.default_rng(1000 + seed).normal(size=DIM)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def restless(shard: str, count: int, size: int, seed: int = 0) -> list[Batch]:
    """A shard of families within families, whose clusters split and merge while it is read."""
    return [
        replace(one, samples=[_turned(place, seed) for place in one.samples])
        for one in stream(shard, count, size, seed)
    ]


def _turned(place: Sample, seed: int) -> Sample:
    (view,) = place.views
    return replace(place, views=(replace(view, descriptor=_restless_vector(seed + place.index)),))


def due_job(ingest: Ingest, cluster: int | None = None, policy: Policy = POLICY) -> ReconJob:
    """The job of a cluster, or of the one most due."""
    return next(job for job in ingest.due(policy).jobs if cluster in (None, job.cluster))


def busy_state(folder: Path, *, edits: bool = True) -> Path:
    """Two shards with rejects, a copy, clusters that merged or split, a shape of two versions, one of none, a failure.

    Args:
        folder: where to.
        edits: people have named, deleted and put in quarantine, and a near-copy came, too.
    """
    ingest = open_ingest(folder, index_every=3)
    for one in restless("/crawl/a.tar", 160, 16):
        ingest.commit(one)
    first = due_job(ingest)
    ingest.publish(shape_of(ingest.recon_input(first, POLICY)))
    second = due_job(ingest)
    ingest.publish(no_shape(ingest.recon_input(second, POLICY)))
    third = due_job(ingest)
    ingest.fail(third, "it broke", POLICY)
    refused = [sample(0, 900), sample(1, reject=RejectError("too_small", "1 x 1 pixels")), sample(2, 901, key="k0")]
    refused.append(sample(3, 900))
    ingest.commit(batch("/crawl/b.tar", refused))
    for one in restless("/crawl/c.tar", 160, 16, seed=160):
        ingest.commit(one)
    again = due_job(ingest, first.cluster)
    ingest.publish(shape_of(ingest.recon_input(again, POLICY), loss=0.2, baseline=0.35))
    ingest.commit(batch("/crawl/d.tar", [sample(0, 902), sample(1, reject=RejectError("truncated_tar", "cut"))]))
    ingest.reject_shard("/crawl/e.tar", RejectError("unreadable_shard", "gone"))
    if edits:
        ingest.commit(batch("/crawl/f.tar", [replace(sample(i, 905 + i), signature=_SEEN) for i in range(2)]))
        ingest.edit(ClusterEdit(first.cluster, "a name", ("tag",), pinned=True))
        ingest.edit(ImageEdit((DELETED,), "delete"))
        ingest.edit(ImageEdit((301,), "quarantine"))
        ingest.edit(Rollback(first.cluster, 1))
    ingest.close()
    return folder
