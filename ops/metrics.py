"""Every Prometheus metric of Shapelode, each defined once.

Actors return what they measured with their results and the daemon records it, so one port tells of all
of them, on whatever node they run.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_STAGE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_RECON_BUCKETS = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=REGISTRY)


IMAGES = _counter("shapelode_images_total", "Images stored since the daemon started.")
REJECTS = _counter("shapelode_rejects_total", "Samples, members and shards refused.", "reason")
BATCHES = _counter("shapelode_batches_total", "Batches committed.")
SHARDS_DONE = _counter("shapelode_shards_done_total", "Shards read to their end.")
STAGE_SECONDS = Histogram(
    "shapelode_stage_seconds", "Time a batch spends in a stage: read, embed or commit.", ("stage",),
    buckets=_STAGE_BUCKETS, registry=REGISTRY,
)  # fmt: skip
IN_FLIGHT = _gauge("shapelode_in_flight_batches", "Batches read or embedded but not yet committed.")
WAIT_SECONDS = _counter(
    "shapelode_wait_seconds_total", "Time the control loop waited, by the stage it waited for.", "stage"
)
BACKPRESSURE_SECONDS = _counter(
    "shapelode_backpressure_seconds_total",
    "Time in which no further batch was read, by what held reading back: embed, commit, no_space or io_error.", "cause",
)  # fmt: skip
LINEAGE = _counter("shapelode_cluster_events_total", "Clusters created, merged and split.", "kind")
CLUSTERS = _gauge("shapelode_clusters", "Open clusters.")
OUTLIERS = _gauge("shapelode_outlier_images", "Stored images in no cluster.")
STORED_IMAGES = _gauge("shapelode_stored_images", "Images in the store.")
INDEX_VECTORS = _gauge("shapelode_index_vectors", "Vectors in the FAISS index.")
INDEX_SAVE_FAILURES = _counter("shapelode_index_save_failures_total", "Times the FAISS index could not be saved.")
SHAPES = _gauge("shapelode_shapes", "Clusters with a published shape.")
RECON_QUEUE = _gauge("shapelode_recon_queue_jobs", "Clusters due for reconstruction.")
RECON_RUNNING = _gauge("shapelode_recon_running_jobs", "Reconstructions under way.")
RECON_QUARANTINED = _gauge("shapelode_recon_quarantined_clusters", "Clusters whose reconstruction failed too often.")
RECON_JOBS = _counter("shapelode_recon_jobs_total", "Reconstructions ended.", "outcome")
RECON_SECONDS = Histogram(
    "shapelode_recon_seconds", "Time of a reconstruction.", ("start",), buckets=_RECON_BUCKETS, registry=REGISTRY
)
VERSIONS = _counter("shapelode_versions_published_total", "Shape versions published.")
LIBRARY_LOSS = _gauge("shapelode_library_loss_ratio", "Mean held-out loss of the published shapes, by images.")
STORE_BYTES = _gauge("shapelode_store_bytes", "Bytes of the LMDB map in use.")
STORE_MAP_BYTES = _gauge("shapelode_store_map_bytes", "Bytes of the LMDB map; it grows by itself.")
PROCESS_MEMORY = _gauge("shapelode_process_memory_bytes", "Resident memory, by kind of process.", "process")
CONNECTIONS_CUT = _counter(
    "shapelode_connections_cut_total", "Connections closed because they were too_many or too_slow.", "server", "why"
)
