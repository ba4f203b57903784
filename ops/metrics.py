"""Every Prometheus metric of Shapelode, each defined once.

Actors return what they measured with their results and the daemon records it, so one port tells of all
of them, on whatever node they run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
_DEFINED: list[Definition] = []

REASONS = (
    "bad_vector", "bad_view", "breaks_embedder", "broken_image", "broken_mesh", "collage", "color_mode", "cut_off",
    "decode_memory", "decode_timeout", "decoder_crashed", "decompression_bomb", "deleted_image", "deleted_source",
    "duplicate_image", "duplicate_key", "forbidden_url", "near_duplicate", "no_foreground", "no_image",
    "not_a_file", "not_a_tar", "not_embedded", "source_lost", "too_large", "too_many_bytes", "too_many_members",
    "too_small", "truncated_tar", "unreadable_shard", "unsafe_name",
)  # fmt: skip
"""Everything that a sample, member, shard or query is refused for."""

_STAGE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_RECON_BUCKETS = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LOSS_BUCKETS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric as it is documented."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


def _note(name: str, kind: str, labels: tuple[str, ...], text: str) -> None:
    _DEFINED.append(Definition(name, kind, labels, text))


def _counter(name: str, text: str, *labels: str, known: tuple[str, ...] = ()) -> Counter:
    """A counter; of ``known`` values of its one label there is a series from the start, so that rates see the first."""
    _note(name, "counter", labels, text)
    made = Counter(name, text, labels, registry=REGISTRY)
    for value in known:
        made.labels(value)
    return made


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    _note(name, "gauge", labels, text)
    return Gauge(name, text, labels, registry=REGISTRY)


def _histogram(
    name: str, text: str, buckets: tuple[float, ...], *labels: str, known: tuple[str, ...] = ()
) -> Histogram:
    """A histogram; ``known`` as for a counter."""
    _note(name, "histogram", labels, text)
    made = Histogram(name, text, labels, buckets=buckets, registry=REGISTRY)
    for value in known:
        made.labels(value)
    return made


BUILD = _gauge("shapelode_build_info", "Always 1: what runs.", "version", "backbone", "clusterer")
READY = _gauge("shapelode_ready", "1 while `/readyz` says yes, else 0.")

IMAGES = _counter("shapelode_images_total", "Images stored since the daemon started.")
REJECTS = _counter("shapelode_rejects_total", "Samples, members and shards refused.", "reason", known=REASONS)
BATCHES = _counter("shapelode_batches_total", "Batches committed.")
SHARDS_DONE = _counter("shapelode_shards_done_total", "Shards read to their end.")
SHARDS_WAITING = _gauge("shapelode_waiting_shards", "Shards known and not yet begun.")
STAGE_SECONDS = _histogram(
    "shapelode_stage_seconds",
    "Time of one piece of work in a stage: a batch in read, embed (its share, of those embedded at once) or commit, "
    "a result in publish.",
    _STAGE_BUCKETS, "stage", known=("read", "embed", "commit", "publish"),
)  # fmt: skip
IN_FLIGHT = _gauge("shapelode_in_flight_batches", "Batches read or embedded but not yet committed.")
IN_FLIGHT_LIMIT = _gauge("shapelode_in_flight_limit_batches", "The most batches that may be in flight.")
WAIT_SECONDS = _counter(
    "shapelode_wait_seconds_total", "Time the control loop waited, by the stage it waited for.", "stage"
)
BACKPRESSURE_SECONDS = _counter(
    "shapelode_backpressure_seconds_total",
    "Time in which no further batch was read, by what held reading back: embed, commit, no_space or io_error.", "cause",
    known=("embed", "commit", "no_space", "io_error"),
)  # fmt: skip

LINEAGE = _counter(
    "shapelode_cluster_events_total", "Clusters created, merged, split and dissolved.", "kind",
    known=("created", "merged", "split", "dissolved"),
)  # fmt: skip
CLUSTERS = _gauge(
    "shapelode_clusters", "Clusters: open and shaped, open and shapeless, or retired by a merge or split.", "state"
)
OUTLIERS = _gauge("shapelode_outlier_images", "Stored images in no cluster.")
STORED_IMAGES = _gauge("shapelode_stored_images", "Images in the store.")

INDEX_VECTORS = _gauge("shapelode_index_vectors", "Vectors in the FAISS index.")
INDEX_BYTES = _gauge("shapelode_index_bytes", "Memory that the FAISS index takes for what it holds.")
CLUSTERER_BYTES = _gauge(
    "shapelode_clusterer_bytes", "Memory that the clusterer takes for what it keeps of the images."
)
INDEX_RECALL = _gauge(
    "shapelode_index_recall_ratio",
    "Share of a sample of stored images that the FAISS index finds among ten by their own descriptors.",
)
INDEX_DRIFT = _gauge(
    "shapelode_index_drift_ratio",
    "One minus the cosine of the mean descriptors of the last thousand images and of all; 0 is none.",
)
INDEX_SAVE_FAILURES = _counter("shapelode_index_save_failures_total", "Times the FAISS index could not be saved.")

RECON_QUEUE = _gauge("shapelode_recon_queue_jobs", "Clusters due for reconstruction.")
RECON_RUNNING = _gauge("shapelode_recon_running_jobs", "Reconstructions under way.")
RECON_QUARANTINED = _gauge("shapelode_recon_quarantined_clusters", "Clusters whose reconstruction failed too often.")
RECON_JOBS = _counter(
    "shapelode_recon_jobs_total",
    "Reconstructions ended: published, candidate, no_shape, registered (cameras of new images alone), stale or failed.",
    "outcome", known=("published", "candidate", "no_shape", "registered", "stale", "failed"),
)  # fmt: skip
RECON_SECONDS = _histogram(
    "shapelode_recon_seconds",
    "Time of a reconstruction that did not break: cold, warm, search (for a rival) or register (new images).",
    _RECON_BUCKETS, "start", known=("cold", "warm", "search", "register"),
)  # fmt: skip
HANDED_BACK = _counter(
    "shapelode_handed_back_images_total",
    "Images that fit a published shape at no pose, by what the clustering did: moved, outlier or kept.", "outcome",
    known=("moved", "outlier", "kept"),
)  # fmt: skip
RECON_DEVICE_SECONDS = _counter(
    "shapelode_recon_device_seconds_total",
    "Time that reconstructions, whatever became of them, held a device: cuda, cpu, or unknown if they broke.", "device",
)  # fmt: skip
VERSIONS = _counter("shapelode_versions_published_total", "Shape versions published.")
VERSION_LOSS = _histogram(
    "shapelode_published_loss_ratio", "Held-out loss of a version when it was published.", _LOSS_BUCKETS
)
LIBRARY_LOSS = _gauge("shapelode_library_loss_ratio", "Mean held-out loss of the published shapes, by images.")

STORE_BYTES = _gauge("shapelode_store_bytes", "Bytes of the LMDB map in use.")
STORE_HELD_BYTES = _gauge(
    "shapelode_store_held_bytes",
    "Bytes of the LMDB map in use, by what for: images, shapes, clusterer, or free and written to next.", "kind",
)  # fmt: skip
STORE_MAP_BYTES = _gauge("shapelode_store_map_bytes", "Bytes of the LMDB map; it grows by itself.")
STORE_LIMIT_BYTES = _gauge("shapelode_store_limit_bytes", "Bytes the LMDB map may grow to.")
DISK_FREE = _gauge("shapelode_disk_free_bytes", "Bytes free on the disk of the state directory.")
PROCESS_MEMORY = _gauge("shapelode_process_memory_bytes", "Resident memory, by kind of process.", "process")
REQUEST_SECONDS = _histogram(
    "shapelode_api_request_seconds", "Time to answer a request, by route and class of status.", _REQUEST_BUCKETS,
    "route", "status",
)  # fmt: skip
CONNECTIONS_CUT = _counter(
    "shapelode_connections_cut_total", "Connections closed because they were too_many or too_slow.", "server", "why"
)


def definitions() -> tuple[Definition, ...]:
    """Every metric, in the order of this file."""
    return tuple(_DEFINED)


def markdown() -> Iterator[str]:
    """The lines of the table in docs/metrics.md."""
    yield "| metric | type | labels | what it tells |"
    yield "| --- | --- | --- | --- |"
    for one in _DEFINED:
        yield f"| `{one.name}` | {one.kind} | {', '.join(one.labels) or '-'} | {one.text} |"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in markdown())
