"""Typed records of the LMDB store; each is encoded as MessagePack by msgspec."""

from __future__ import annotations

from typing import Literal

import msgspec

ClusterState = Literal["open", "retired"]
ShapeVerdict = Literal["shape", "too_few_views", "rotational_symmetry", "thin_evidence"]
Outcome = Literal["published", "candidate", "no_shape", "failed", "not_better"]
"""What became of a reconstruction; ``not_better`` is what stores below schema 5 call a candidate."""
Judge = Literal["", "fit", "held_out", "person"]


Seed = tuple[int, int]
"""A cluster and a version of its shape."""
OUTLIER = -1
"""Cluster id of what belongs to no cluster (yet)."""


class MicroRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The durable form of one micro-cluster.

    Attributes:
        id: counted from 0 in order of creation.
        count: vectors in it.
        cluster: id of its cluster, `OUTLIER` for none.
        barred: clusters that its images were handed back from, and what took these in; it is in none of them.
        revision: times that its sum of vectors has changed since it was opened.
    """

    id: int
    count: int
    cluster: int
    barred: tuple[int, ...] = ()
    revision: int = 0


class ShardRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a shard has been committed.

    Attributes:
        url: the shard's absolute path or URL; with ``#`` and the generation if it had other contents before.
        cursor: samples of the shard that are committed, stored or rejected.
        done: the end of the shard was reached.
        size: bytes of a local file when it was read last, to notice growth; 0 for URLs.
        stored: images that its samples became, one for each object.
        rejected: samples that went to the rejects table.
        mtime_ns: modification time of a local file when it was read last; 0 for URLs.
        generation: contents the shard had before this one.
        prefix: digest of what lies before the cursor, to notice that the content was replaced; empty if unknown.
        damage: number in the rejects table of what keeps the rest from being read, -1 for nothing.
        deleted: images of it that a person deleted.
        blocked: a person deleted it: what else it holds is refused.
        quarantined: a person put it in quarantine: what else it holds goes there, too.
        elsewhere: samples before the cursor that other parts of the library were given alone.
    """

    url: str
    cursor: int = 0
    done: bool = False
    size: int = 0
    stored: int = 0
    rejected: int = 0
    mtime_ns: int = 0
    generation: int = 0
    prefix: str = ""
    damage: int = -1
    deleted: int = 0
    blocked: bool = False
    quarantined: bool = False
    elsewhere: int = 0


class SampleRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One stored image, of one object of a photo: where it came from and where the object is.

    Attributes:
        key: webdataset key within the shard.
        shard: the shard's absolute path or URL.
        index: position of the sample within the shard.
        url: where the crawl found the image, if it said so.
        width: width of the original image in pixels.
        height: height of the original image in pixels.
        box: square crop ``(x0, y0, x1, y1)`` in original pixels.
        foreground: share of the image that is foreground.
        sha256: hex digest of the encoded image.
        micro: micro-cluster the sample belongs to.
        strength: similarity to its micro-cluster when it arrived.
        time: Unix time of the commit.
        object: which of the photo's objects it shows, 0 for the largest; their images have consecutive numbers.
    """

    key: str
    shard: str
    index: int
    url: str
    width: int
    height: int
    box: tuple[float, float, float, float]
    foreground: float
    sha256: str
    micro: int
    strength: float
    time: float
    object: int = 0


class DeletedRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is left of an image that a person deleted: the place that keeps it from being read again."""

    shard: str
    index: int
    time: float
    object: int = 0


class RejectRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One refused sample, tar member or shard, with the reason it is counted under.

    ``index`` is the position it takes in its shard; -1 for a shard, and for damage, whose position is read again.
    ``of`` is the stored image that it is a copy of; -1 for none.
    """

    shard: str
    key: str
    reason: str
    detail: str
    time: float
    index: int = -1
    of: int = -1


class ClusterRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One cluster of images.

    Attributes:
        size: images in it.
        born: samples committed when it appeared.
        state: ``retired`` once a merge or split took its last image.
        attempted_size: size when a reconstruction was last tried, 0 before.
        attempts: reconstructions tried.
        failures: failed reconstructions in a row, for backing off.
        verdict: what the last reconstruction said.
        reason: why, in words.
        version: published version of its shape, 0 for none.
        loss: held-out loss of that version.
        epoch: number of the last lineage event that it took part in, counted from 1; fences results in flight.
        retry_at: Unix time before which it is not tried again after a failure.
        quarantined: it failed too often in a row and is left alone until it has grown.
        at: images committed when that version was recorded.
        ended: images committed when it was retired, 0 while it is open.
        name: what a person calls it.
        tags: what people sort it by, in order.
        pinned: a person wants it at hand.
        hidden: a person does not want to see it in lists.
        held: a person put it in quarantine: it is not reconstructed and answers no queries.
        seeds: versions of clusters that it took in or left, which its next reconstruction may start from.
        seconds: what the last reconstruction took, 0 before the first.
        turn: reconstructions tried in the whole library when this one was tried last, or appeared.
        searched: size when its cameras were last searched from nothing, 0 before.
        certainty: share of that version's cameras that should be right; 0 where nobody has asked.
        spent: seconds that all its reconstructions took, but for those that broke.
        posed: images of which the published version has cameras.
    """

    size: int = 0
    born: int = 0
    state: ClusterState = "open"
    attempted_size: int = 0
    attempts: int = 0
    failures: int = 0
    verdict: str = ""
    reason: str = ""
    version: int = 0
    loss: float = 0.0
    epoch: int = 0
    retry_at: float = 0.0
    quarantined: bool = False
    at: int = 0
    ended: int = 0
    name: str = ""
    tags: tuple[str, ...] = ()
    pinned: bool = False
    hidden: bool = False
    held: bool = False
    seeds: tuple[Seed, ...] = ()
    seconds: float = 0.0
    turn: int = 0
    searched: int = 0
    certainty: float = 0.0
    spent: float = 0.0
    posed: int = 0


class LineageRecord(msgspec.Struct, frozen=True):
    """A cluster appeared, merged or split after ``at`` committed samples."""

    kind: str
    cluster: int
    others: tuple[int, ...]
    at: int
    time: float


class ChangeRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that changed, for the feed, and what the library held after it.

    Attributes:
        kind: one of `CHANGES` in `index.changes`.
        at: images committed so far, deleted ones counted.
        time: Unix time.
        cluster: what it happened to, -1 for no cluster.
        others: other clusters that took part.
        version: of a shape.
        count: images that came or went.
        detail: in words.
        images: in the library.
        clusters: open ones.
        shapes: open clusters with a published shape.
        loss: mean held-out loss of these, weighted by images.
    """

    kind: str
    at: int
    time: float
    cluster: int = -1
    others: tuple[int, ...] = ()
    version: int = 0
    count: int = 0
    detail: str = ""
    images: int = 0
    clusters: int = 0
    shapes: int = 0
    loss: float = 0.0


Rotation = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]


class PoseRecord(msgspec.Struct, frozen=True):
    """Another pose that an image may have been taken from, as a camera like `CameraRecord`, and its odds."""

    R: Rotation
    t: tuple[float, float, float]
    fov: float
    offset: tuple[float, float]
    weight: float


class CameraRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """Recovered camera of one member image (PyTorch3D axes, ``x_cam = R @ x_obj + t``, of its crop).

    ``fov`` is in degrees, ``offset`` in half crop sides (x right, y down); ``weight`` 0 marks a stranger. The version
    was not ``fitted`` to images that it was judged by or that were only registered to it. ``certainty`` is the odds, of
    1, that it is right, None where nobody has asked; ``alternatives`` are other poses that the image may have been
    taken from. ``at`` counts the images committed when it was registered to a version that was there already, 0 for
    cameras that came with it.
    """

    sample: int
    R: Rotation
    t: tuple[float, float, float]
    fov: float
    offset: tuple[float, float]
    loss: float
    weight: float
    fitted: bool = True
    certainty: float | None = None
    alternatives: tuple[PoseRecord, ...] = ()
    at: int = 0


class ShapeRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version of the shape of a cluster.

    Attributes:
        cluster: its cluster; the shape goes by the cluster's id.
        version: counts from 1 and only rises.
        outcome: ``published``, or why it was not.
        verdict: what the reconstruction found.
        reason: the verdict or outcome in words.
        views: images it was fitted to.
        loss: held-out reprojection loss in [0, 1], cross-validated on the images it was fitted to.
        baseline_loss: loss of version `before` on the images it was judged by; 1.0 if there was none.
        silhouette_iou: held-out IoU of silhouettes.
        feature_distance: held-out cosine distance of features.
        warm: it was started from the version before.
        seconds: time the reconstruction took.
        vertices: vertices of the mesh.
        faces: faces of the mesh.
        at: samples committed when it was recorded.
        time: Unix time of the record.
        attempt: the cluster's attempt it came of, counted from 1; tells a result that arrives again.
        size: images in the cluster at that time; 0 in records of older versions.
        before: the version it was compared with, or for `person` the one that was current; 0 for none.
        judge: what decided: nothing, for a first version; ``held_out`` images that neither was fitted to; images
            of the ``fit``, in records of older versions; or a ``person``, who rolled back to version `source`.
        held_out: images that neither version was fitted to and that it was judged by.
        held_out_loss: its loss on these.
        level: loss of the first version times the ratios by which versions up to this one improved on the one before;
            falls with every publication.
        source: the version whose files and cameras are this one's, 0 if it has its own.
        certainty: share of the cameras of these images that should be right; None where nobody has asked.
    """

    cluster: int
    version: int
    outcome: Outcome
    verdict: ShapeVerdict
    reason: str
    views: int
    loss: float
    baseline_loss: float
    silhouette_iou: float
    feature_distance: float
    warm: bool
    seconds: float
    vertices: int = 0
    faces: int = 0
    at: int = 0
    time: float = 0.0
    attempt: int = 0
    size: int = 0
    before: int = 0
    judge: Judge = ""
    held_out: int = 0
    held_out_loss: float = 0.0
    level: float = 0.0
    source: int = 0
    certainty: float | None = None

    @property
    def content(self) -> int:
        """The version under which its files and cameras are kept."""
        return self.source or self.version


class Counters(msgspec.Struct, frozen=True, omit_defaults=True):
    """Totals of the whole library, kept in the same transaction as what they count.

    Attributes:
        next_sample: id of the next image.
        next_reject: number of the next refusal.
        next_lineage: number of the next event.
        stored: images.
        rejected: refusals.
        published: versions published.
        reconstructions: reconstructions tried.
        rejects_by_reason: refusals of each reason.
        shards_done: shards read to their end.
        clusters: open clusters.
        clustered: images in them.
        shapes: open clusters with a published shape.
        shaped: images in these.
        loss_millionths: sum over these of images times the loss in whole millionths.
        quarantined: open clusters whose reconstruction failed too often, or that a person put in quarantine.
        retired: clusters that are not open any more.
        next_change: number of the next change.
    """

    next_sample: int = 0
    next_reject: int = 0
    next_lineage: int = 0
    stored: int = 0
    rejected: int = 0
    published: int = 0
    reconstructions: int = 0
    rejects_by_reason: dict[str, int] = {}
    shards_done: int = 0
    clusters: int = 0
    clustered: int = 0
    shapes: int = 0
    shaped: int = 0
    loss_millionths: int = 0
    quarantined: int = 0
    retired: int = 0
    next_change: int = 0


class Identity(msgspec.Struct, frozen=True):
    """What a state directory was made with; a mismatch is refused."""

    schema: int
    backbone: str
    fingerprint: str
    dim: int
    clusterer: str
    created: float
