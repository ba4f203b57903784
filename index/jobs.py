"""What passes between the library and a reconstruction: plain data, no pixels decoded, no Ray."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from index.records import CameraRecord, Outcome, ShapeVerdict

FIELD = "field.safetensors"
MESH = "mesh.ply"
PREVIEW = "preview.png"
KEYPOINTS = "keypoints.json"
FORM = "form.bin"

JobKind = Literal["fit", "search", "register"]
"""What a job is to do: find a first shape or continue the published one; look for a rival to it from nothing, too; find
only the cameras of new images in it, which stays as it is."""


def named(cluster: int, part: int) -> str:
    """A cluster as people are told of it: of a library in parts with its part before it."""
    return str(cluster) if part < 0 else f"{part}/{cluster}"


def job_named(cluster: int, part: int, attempt: int) -> str:
    """A job as logs tell of it: its cluster, and which attempt it is, from 1 on."""
    return f"{named(cluster, part)}.{attempt + 1}"


@dataclass(frozen=True, slots=True)
class ReconJob:
    """A cluster that is due for a (new) version of its shape.

    Attributes:
        cluster: the cluster.
        size: its images when the job was made.
        version: published version it starts from, 0 for none.
        growth: size over the size at the last attempt; infinite for the first.
        attempt: attempts before this one; a result is recorded once for each.
        epoch: the cluster's epoch; a result of another epoch may be of another cluster.
        kind: what is to be done.
        priority: what it may gain a second, and how long it has waited; see `index.priority`.
        part: part of the library that the cluster is in; -1 in a library in one piece.
    """

    cluster: int
    size: int
    version: int
    growth: float
    attempt: int = 0
    epoch: int = 0
    kind: JobKind = "fit"
    priority: float = field(default=0.0, compare=False)
    part: int = -1

    @property
    def name(self) -> str:
        """The cluster as people are told of it."""
        return named(self.cluster, self.part)

    @property
    def label(self) -> str:
        """The job as logs tell of it."""
        return job_named(self.cluster, self.part, self.attempt)


@dataclass(frozen=True, slots=True)
class ReconInput:
    """Everything a reconstruction needs of the library.

    Attributes:
        job: what it is for.
        samples: ids of the images.
        crops: their crops as JPEG.
        masks: their masks, packed.
        field: the published version's field, None if there is none.
        held_out: those of the samples that must not be fitted to: they judge the result against the published version.
        starts: fields to start from, each a hypothesis: that of the largest parent first, where clusters have merged or
            split, else the published one; none for a cold start.
        brief: a cold start may be as short as a draft: its cameras are searched anew once the cluster has grown.
    """

    job: ReconJob
    samples: list[int]
    crops: list[bytes]
    masks: list[bytes]
    field: bytes | None
    held_out: tuple[int, ...] = ()
    starts: tuple[bytes, ...] = ()
    brief: bool = False


@dataclass(frozen=True, slots=True)
class ReconOutput:
    """What a reconstruction found; without artifacts if it found no shape.

    Attributes:
        job: what it was for.
        verdict: whether the cluster holds a shape.
        reason: the verdict in words.
        loss: held-out reprojection loss in [0, 1], cross-validated on the images it was fitted to.
        baseline_loss: loss of the version before on the images that judge; 1.0 if there was none.
        silhouette_iou: held-out IoU.
        feature_distance: held-out cosine distance.
        views: images it was fitted to.
        warm: it started from an earlier version, its own or one handed down.
        seconds: time it took.
        vertices: vertices of the mesh.
        faces: faces of the mesh.
        cameras: of the images.
        artifacts: files by name.
        samples: ids of the images it was given.
        device: kind of the device it ran on, such as ``cuda``.
        held_out: images that neither it nor the version before was fitted to, and that show either of them: its judges.
        held_out_loss: its loss on these.
        misfits: images that fit the shape at no pose, ascending.
        certainty: share of the cameras of the images it was fitted to that should be right; None where nobody asked.
    """

    job: ReconJob
    verdict: ShapeVerdict
    reason: str
    loss: float
    baseline_loss: float
    silhouette_iou: float
    feature_distance: float
    views: int
    warm: bool
    seconds: float
    vertices: int = 0
    faces: int = 0
    cameras: list[CameraRecord] = field(default_factory=list)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    samples: list[int] = field(default_factory=list)
    device: str = ""
    held_out: int = 0
    held_out_loss: float = 0.0
    misfits: tuple[int, ...] = ()
    certainty: float | None = None


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What became of a reconstruction.

    ``outcome`` is that of a version, or ``registered`` if the published version has cameras of new images, or
    ``stale``; ``device`` is the kind it ran on, empty if that is not known; ``handed_back`` says how many of its
    misfits were ``moved`` to another cluster, became ``outlier`` or were ``kept``; ``part``, ``attempt`` and ``kind``
    are as in a job.
    """

    cluster: int
    outcome: Outcome | str
    version: int
    loss: float
    warm: bool
    seconds: float
    reason: str
    device: str = ""
    handed_back: dict[str, int] = field(default_factory=dict)
    part: int = -1
    attempt: int = 0
    kind: JobKind = "fit"

    @property
    def start(self) -> str:
        """What it was, in a word: a ``cold`` or ``warm`` fit, or the kind of another job."""
        return self.kind if self.kind != "fit" else "warm" if self.warm else "cold"

    @property
    def name(self) -> str:
        """The cluster as people are told of it."""
        return named(self.cluster, self.part)

    @property
    def job(self) -> str:
        """The job it was, as logs tell of it."""
        return job_named(self.cluster, self.part, self.attempt)
