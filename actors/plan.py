"""What actors are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from index.ingest import IngestConfig
from index.precision import Precision
from index.schedule import Policy
from index.stream.options import ReadOptions
from ops.logs import LogOptions


@dataclass(frozen=True, slots=True)
class BackboneInfo:
    """Identity of a loaded backbone."""

    name: str
    fingerprint: str
    dim: int


@dataclass(frozen=True, slots=True)
class ReconstructorOptions:
    """How reconstructions are made.

    Attributes:
        backbone: of the dense features.
        precision: of its arithmetic.
        device: torch device.
        effort: preset.
        recipe: of first cameras.
        field: what is refined.
        max_views: most images that are fitted.
        min_views: fewest.
        seed: of the random starts.
        hand_back: whether images that fit at no pose are named.
        checkpoints: folder for steps that are done, on nodes that have the folder around it; empty for none.
        sharers: reconstructors that share the cores of a node.
        features_mib: memory for patch features of photos seen lately.
    """

    backbone: str
    precision: Precision
    device: str
    effort: Literal["draft", "quick", "full"]
    recipe: Literal["shapelode", "3dminer"]
    field: Literal["auto", "voxel", "tensorf", "mlp"]
    max_views: int
    min_views: int
    seed: int
    hand_back: bool = True
    checkpoints: str = ""
    sharers: int = 1
    features_mib: int = 256


@dataclass(frozen=True, slots=True)
class CrewPlan:
    """How many actors of each kind, what they are given and what Ray sets aside for them.

    ``embedders_a_node`` share the cores of a node, each for its ``batches_at_once``; of one image ``objects`` are
    embedded at most. Miners of the ``parts`` of a library go in turn to the nodes that have the ``part_resources``;
    without, where the daemon runs. All of them tell ``logs``.
    """

    folder: str
    backbone: str
    device: str
    precision: Precision
    read: ReadOptions
    readers: int
    objects: int
    embedders: int
    embedder_cpus: float
    embedder_gpus: float
    reconstructors: int
    reconstructor_cpus: float
    reconstructor_gpus: float
    reconstructor: ReconstructorOptions
    ingest: IngestConfig
    policy: Policy
    embedders_a_node: int
    batches_at_once: int
    parts: int
    part_resources: tuple[str, ...]
    logs: LogOptions
