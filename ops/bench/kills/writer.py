"""The daemon's work in one process and without Ray: reads, embeds, commits, edits, reconstructs, in a fixed order.

All of it goes through the code the daemon's actors call, so it passes the same named points. What a reconstruction
finds is made up: finding it is not what is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.numpy

from index.curation import ClusterEdit, Edit, ImageEdit
from index.ingest import Ingest, IngestConfig
from index.jobs import FIELD, MESH, PREVIEW, ReconInput, ReconOutput
from index.records import CameraRecord, ShapeVerdict
from index.schedule import Policy
from index.stream.batch import ShardCursor
from index.stream.embed import embed_batch
from index.stream.options import ReadOptions
from ops.bench.kills.stream import DIM, ColourEncoder
from ops.errors import NotFoundError, RejectError

POLICY = Policy(min_views=6, growth=1.1, max_failures=2, max_images=12, backoff_s=0.0)
REFUSED = "pipe:cat /etc/passwd"
EDITS: tuple[Edit, ...] = (
    ImageEdit((3, 11), "delete"), ImageEdit((5,), "quarantine"), ClusterEdit(1, "the first", ("tag",), pinned=True),
)  # fmt: skip
_TURN = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the writer has said to be durable; none of it may ever be missing again.

    Attributes:
        images: stored in all, deleted ones among them.
        rejects: recorded in all.
        reconstructions: recorded by this process.
    """

    images: int = 0
    rejects: int = 0
    reconstructions: int = 0


def mine(folder: Path, shards: Sequence[str], batch_size: int, tell: Callable[[Acknowledged], None]) -> None:
    """Mines a stream from where the state is to its end, telling after each step what is durable."""
    encoder = ColourEncoder()
    config = IngestConfig(map_size_gib=1.0, index_every=1)
    ingest = Ingest(folder, encoder.name, encoder.fingerprint, DIM, config)
    ingest.reject_shard(REFUSED, RejectError("forbidden_url", "scheme 'pipe' is not allowed"))
    gone = _edit(ingest)
    so_far = Acknowledged()
    done_here = _reconstruct(ingest, so_far, tell)
    cursor = ShardCursor(ReadOptions(max_side=64))
    known = {record.url: record for record in ingest.shards()}
    for shard in shards:
        start, done = (known[shard].cursor, known[shard].done) if shard in known else (0, False)
        while not done:
            batch = embed_batch(encoder, cursor.read(shard, start, batch_size))
            report = ingest.commit(batch)
            start, done = report.cursor, batch.header.last
            so_far = Acknowledged(report.total_images + gone, report.total_rejected, done_here)
            gone = _edit(ingest)
            done_here = _reconstruct(ingest, so_far, tell)
    ingest.settle()
    _reconstruct(ingest, replace(so_far, reconstructions=done_here), tell)
    ingest.close()


def _edit(ingest: Ingest) -> int:
    """What a person asks for, as soon as it can be done, and ever again; returns how many images are deleted."""
    gone = 0
    for edit in EDITS:
        with suppress(NotFoundError):
            ingest.edit(edit)
            gone += len(edit.images) if isinstance(edit, ImageEdit) and edit.action == "delete" else 0
    return gone


def _reconstruct(ingest: Ingest, so_far: Acknowledged, tell: Callable[[Acknowledged], None]) -> int:
    """Everything that is due, at once, so that what is published when does not depend on how fast the machine is."""
    tell(so_far)
    while jobs := ingest.due(POLICY).jobs:
        job = jobs[0]
        if job.cluster % 5 == 4:
            ingest.fail(job, "made to fail", POLICY)
        else:
            ingest.publish(_made_up(ingest.recon_input(job, POLICY)))
        so_far = replace(so_far, reconstructions=so_far.reconstructions + 1)
        tell(so_far)
    return so_far.reconstructions


def _made_up(given: ReconInput) -> ReconOutput:
    job, views = given.job, len(given.samples)
    found = job.cluster % 3 > 0
    field = safetensors.numpy.save({"field": np.full(4, views, np.float32)})
    files = {FIELD: field, MESH: b"ply\nmade up", PREVIEW: b"\x89PNG\r\n\x1a\nmade up"} if found else {}
    judges = given.held_out if found else ()
    misfits = tuple(given.samples[2:3]) if found else ()
    cameras = [
        CameraRecord(s, _TURN, (0.0, 0.0, 3.0), 40.0, (0.0, 0.0), 0.1, float(s not in misfits), s not in judges)
        for s in given.samples
        if found
    ]
    # Every other attempt is no better than the version before.
    baseline = 1.0 if not job.version else 0.5 if job.attempt % 2 else 0.3
    verdict: ShapeVerdict = "shape" if found else "thin_evidence"
    loss = 0.4 if found else 1.0
    return ReconOutput(
        job, verdict, "made up", loss, baseline, 0.8, 0.2, views, bool(job.version), 0.0, 3, 1, cameras, files,
        given.samples, held_out=len(judges), held_out_loss=loss if judges else 0.0, misfits=misfits,
    )  # fmt: skip
