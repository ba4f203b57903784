"""The one typed configuration: TOML file < ``SHAPELODE_*`` environment < flags; unknown keys are refused."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daemon.access import TOKEN_ENV
from index.precision import Precision
from ops import faults
from ops.errors import ConfigError
from ops.logs import Format, LogLevel

ENV_PREFIX = "SHAPELODE_"
RECONSTRUCTOR_BYTES = 3 * 2**30
"""Memory of the machine for each reconstructor, which itself takes half of it at most, if their number isn't told."""
# Read elsewhere, not configuration keys.
_NOT_KEYS = frozenset({"SHAPELODE_STATE", "SHAPELODE_CONFIG", TOKEN_ENV, faults.ENV})


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StreamConfig(_Section):
    """How shards are read."""

    batch_size: int = Field(32, ge=1, le=4096, description="Samples a batch; a batch is one transaction.")
    readers: int = Field(1, ge=1, description="ShardReader actors; each reads one shard ahead.")
    in_flight: int = Field(4, ge=1, description="Batches read or embedded at once; bounds memory.")
    max_side: int = Field(512, ge=64, description="Images are shrunk to this many pixels a side on decoding.")
    max_objects: int = Field(
        4, ge=1, le=16, description="Objects of one image that are stored, the largest; each is a member of its own."
    )
    near_duplicates: bool = Field(
        True, description="Refuse near-copies of stored images (encoded, scaled or toned anew), as exact ones are."
    )
    settle_s: float = Field(5.0, ge=0, description="With --follow, read a shard once it has not grown for so long.")
    poll_s: float = Field(2.0, gt=0, description="With --follow, seconds between looks for new shards.")
    http_timeout_s: float = Field(30.0, gt=0, description="Longest wait for a remote shard to answer or go on.")
    http_attempts: int = Field(4, ge=1, description="Tries, ever further apart, before a remote shard is given up.")
    private_hosts: str = Field(
        "", description="Hosts or networks in private ranges to read shards from, comma-separated; `*` for all."
    )
    decode_timeout_s: float = Field(20.0, gt=0, description="CPU time one image may take to decode.")
    decode_memory_mib: int = Field(1024, ge=64, description="Memory one image may take to decode.")


class BackboneConfig(_Section):
    """What turns images into descriptors."""

    name: str = Field("embedded", description="`embedded`, `dinov2`, or ARCHITECTURE:PATH of a local timm ViT.")
    device: str = Field("auto", description="torch device; `auto` takes CUDA where there is one.")
    precision: Precision = Field(
        "auto", description="Arithmetic of the encoder: `auto`, `fp32`, `bf16`, or `int8` on CPUs."
    )
    embedders: int = Field(1, ge=1, description="Embedder actors.")
    batches_at_once: int = Field(2, ge=1, description="Batches an embedder works on at once, its cores shared by them.")
    num_cpus: float = Field(1.0, ge=0, description="CPUs Ray sets aside for each embedder.")
    num_gpus: float = Field(0.0, ge=0, description="GPU fraction Ray sets aside for each embedder.")


class ClusteringConfig(_Section):
    """How images are brought together."""

    name: str = Field("linkage", description="`linkage`, Shapelode's own, or `dbstream`, river's.")


class ReconConfig(_Section):
    """When and how shapes are made."""

    enabled: bool = Field(True, description="Reconstruct at all; off for ingest only.")
    min_views: int = Field(16, ge=4, description="Images a cluster needs before its first reconstruction.")
    growth: float = Field(2.0, gt=1, description="Reconstruct again when a cluster has grown by this factor.")
    last_growth: float = Field(
        1.1,
        gt=1,
        description="Stands for growth once the input has ended, for search_growth then or once a fit sees all it can.",
    )
    register_growth: float = Field(
        1.25,
        gt=1,
        description="Register new images to a published shape each time its cluster has grown so much.",
    )
    search_growth: float = Field(
        1.5,
        gt=1,
        description="Search cameras anew when a shape is continued with so many times the images.",
    )
    search_below: float = Field(
        0.85,
        ge=0,
        le=1,
        description="Search so only where fewer of a shape's cameras are likely to be right; 1 always.",
    )
    max_views: int = Field(40, ge=8, description="Most images one reconstruction is fitted to.")
    effort: Literal["draft", "quick", "full"] = Field(
        "quick",
        description="How many hypotheses a cold start tries; a draft's while a cluster can still grow into a search.",
    )
    recipe: Literal["shapelode", "3dminer"] = Field(
        "shapelode", description="How first cameras are found: by search, or as in 3DMiner by factorising keypoints."
    )
    field: Literal["auto", "voxel", "tensorf", "mlp"] = Field(
        "auto", description="How densities are kept while cameras are refined; `auto` is the recipe's own."
    )
    hand_back: bool = Field(
        True,
        description="Images that fit a published shape at no pose leave its cluster; without, only the stream groups.",
    )
    workers: int = Field(
        0, ge=0, description="Reconstructor actors; 0: one for two cores, two at least, where none is to have a GPU."
    )
    features_mib: int = Field(
        256, ge=0, description="Memory in which each keeps patch features of photos, for when their shape is continued."
    )
    max_failures: int = Field(3, ge=1, description="Failures in a row before a cluster is quarantined till it grows.")
    backoff_s: float = Field(
        10.0, ge=0, description="Pause after a cluster's first failure; each further one doubles it."
    )
    seed: int = Field(0, description="Seed of the random starts.")
    device: str = Field("auto", description="torch device; `auto` takes CUDA where there is one.")
    num_cpus: float = Field(1.0, ge=0, description="CPUs Ray sets aside for each reconstructor.")
    num_gpus: float = Field(0.0, ge=0, description="GPU fraction Ray sets aside for each reconstructor.")


class RayConfig(_Section):
    """Where actors run."""

    address: str = Field("", description="Address of a running Ray cluster; empty starts a local one on loopback.")
    num_cpus: int = Field(0, ge=0, description="CPUs of the local Ray; 0 takes all there are.")
    object_store_mib: int = Field(512, ge=80, description="Shared memory of the local Ray for batches in flight.")


class StoreConfig(_Section):
    """The LMDB store."""

    map_size_gib: float = Field(256.0, gt=0, description="The most the store may grow to; it starts small.")
    space_wait_s: float = Field(600.0, ge=0, description="With the disk full, wait so long for space, then end.")
    index_every: int = Field(64, ge=1, description="Batches between two saves of the FAISS index, at the least.")
    index_ivf_from: int = Field(20_000, ge=1, description="Images from which on FAISS looks through lists of them.")
    index_sq_from: int = Field(
        200_000, ge=1, description="Images from which on FAISS keeps main components, a byte each."
    )


class PartsConfig(_Section):
    """A library in parts (index shards), each with a writer of its own, on one machine or on several."""

    count: int = Field(1, ge=1, le=1024, description="Parts of the library; stays what it was when it was begun.")
    resources: str = Field(
        "",
        description="Ray resources of the nodes that the parts live on in turn, comma-separated; empty for the head.",
    )
    sample: int = Field(
        4096, ge=16, description="Objects of the stream's first images that tell which part is to hold what."
    )

    @property
    def places(self) -> tuple[str, ...]:
        """The resources by name."""
        return tuple(name.strip() for name in self.resources.split(",") if name.strip())


class ApiConfig(_Section):
    """The HTTP API and the library page."""

    enabled: bool = Field(True, description="Serve the API and the page while running.")
    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless you say otherwise.")
    port: int = Field(8321, ge=0, le=65535, description="Port of the API and the page; 0 takes a free one.")
    token_file: str = Field(
        "", description="File with the token that API, page and metrics ask for; or set SHAPELODE_TOKEN."
    )
    hosts: str = Field("", description="Host names that a proxy before a loopback listener passes on, comma-separated.")


class MetricsConfig(_Section):
    """Prometheus."""

    enabled: bool = Field(True, description="Serve metrics while running.")
    host: str = Field("127.0.0.1", description="Address to listen on; beyond loopback a token is needed.")
    port: int = Field(9321, ge=0, le=65535, description="Port of the metrics; 0 takes a free one.")


class LogsConfig(_Section):
    """What the daemon says on standard error."""

    format: Format = Field("pretty", description="Lines for people, or one JSON object a line.")
    level: LogLevel = Field("info", description="The least that is told; `debug` names every image that is refused.")


class Config(_Section):
    """All sections; see docs/configuration.md."""

    stream: StreamConfig = StreamConfig()
    backbone: BackboneConfig = BackboneConfig()
    clustering: ClusteringConfig = ClusteringConfig()
    recon: ReconConfig = ReconConfig()
    ray: RayConfig = RayConfig()
    store: StoreConfig = StoreConfig()
    parts: PartsConfig = PartsConfig()
    api: ApiConfig = ApiConfig()
    metrics: MetricsConfig = MetricsConfig()
    logs: LogsConfig = LogsConfig()

    def reconstructors(self) -> int:
        """Reconstructor actors there are to be: as many as said, or as suit a machine without a GPU.

        A reconstruction hardly gains from a second core, two side by side gain nearly all of it.
        """
        recon = self.recon
        if not recon.enabled:
            return 0
        if recon.workers or recon.num_gpus or recon.device not in ("auto", "cpu") or self.ray.address:
            return max(recon.workers, 1)
        cores, memory = os.cpu_count() or 1, psutil.virtual_memory().total
        return max(1, min(max(cores // 2, 2), cores, memory // RECONSTRUCTOR_BYTES))


def load_config(
    path: Path | None = None, overrides: Mapping[str, Any] | None = None, env: Mapping[str, str] = os.environ
) -> Config:
    """Reads the configuration from all its sources.

    Args:
        path: TOML file with a table for each section.
        overrides: values of flags by dotted key, such as ``{"stream.batch_size": 8}``; None values are skipped.
        env: environment, with names such as ``SHAPELODE_STREAM__BATCH_SIZE``.

    Raises:
        ConfigError: a file, key or value is wrong.
    """
    merged = _read_toml(path) if path else {}
    for key, value in _env_items(env):
        _set(merged, key, value)
    for key, value in (overrides or {}).items():
        if value is not None:
            _set(merged, key, value)
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _env_items(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in sorted(env.items()):
        if name.startswith(ENV_PREFIX) and name not in _NOT_KEYS:
            yield name.removeprefix(ENV_PREFIX).lower().replace("__", "."), value


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    section, dot, name = key.partition(".")
    branch = tree.setdefault(section, {}) if dot else tree
    if not isinstance(branch, dict):
        raise ConfigError(f"{section} is a section, not a value")
    branch[name if dot else section] = value


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown configuration key {key!r}; `shapelode config` lists them all"
    return f"{key}: {first['msg'].lower()}, got {first['input']!r}"


def describe() -> Iterator[tuple[str, str, object, str]]:
    """Every key as ``(dotted key, type, default, description)``; what the docs and `shapelode config` show."""
    for section, info in Config.model_fields.items():
        model = info.annotation
        assert isinstance(model, type) and issubclass(model, BaseModel)
        for name, field in model.model_fields.items():
            kind = getattr(field.annotation, "__name__", None) or str(field.annotation)
            yield f"{section}.{name}", kind, field.default, field.description or ""
