"""What the control loop measured, kept for Prometheus and for the progress a person watches."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from index.ingest import CommitReport, OpenReport, SettleReport
from index.jobs import PublishReport
from index.sizes import StoreSizes
from index.stream.batch import BatchHeader
from index.totals import Figures
from ops import metrics
from ops.logs import get_logger

_log = get_logger("stream")
_RATE_WINDOW_S = 15.0


@dataclass
class Progress:
    """Figures of the run so far; totals are of the whole library, the others of this run."""

    images: int = 0
    rejected: int = 0
    clusters: int = 0
    outliers: int = 0
    shapes: int = 0
    index_vectors: int = 0
    run_images: int = 0
    run_rejected: int = 0
    run_published: int = 0
    run_reconstructions: int = 0
    in_flight: int = 0
    recon_queue: int = 0
    recon_running: int = 0
    waiting_shards: int = 0
    shard: str = ""
    stage_seconds: dict[str, float] = field(default_factory=dict)


class Telemetry:
    """Takes every report of the actors and sets metrics and progress from it."""

    def __init__(self) -> None:
        self.progress = Progress()
        self._recent: deque[tuple[float, int]] = deque()
        self._turned = time.monotonic()

    def batch(self, header: BatchHeader, report: CommitReport) -> None:
        """A batch was committed."""
        now = self.progress
        now.index_vectors = report.index_vectors  # before the images: the index is never behind for a moment
        self._totals(report)
        now.run_images += report.stored
        now.run_rejected += sum(report.rejects.values())
        now.shard = header.shard
        self._recent.append((at := time.monotonic(), report.stored))
        while at - self._recent[0][0] > _RATE_WINDOW_S:
            self._recent.popleft()
        self.stage("read", header.seconds)
        self.stage("embed", report.embed_seconds)
        self.stage("commit", report.seconds)
        for key, error in report.refused:
            _log.debug("image refused: %s", error, extra={"image": key, "shard": header.shard, "reason": error.reason})
        _commit_metrics(header, report)
        self.store(report.store)

    def settled(self, report: SettleReport) -> None:
        """The partition was repaired at the end of the stream."""
        self._totals(report)

    def _totals(self, report: CommitReport | SettleReport) -> None:
        now = self.progress
        now.images, now.rejected, now.shapes = report.total_images, report.total_rejected, report.shapes
        now.clusters, now.outliers = report.clusters, report.outliers
        for kind, count in report.lineage.items():
            metrics.LINEAGE.labels(kind).inc(count)
        metrics.OUTLIERS.set(report.outliers)
        metrics.STORED_IMAGES.set(report.total_images)
        self.library(report.figures)

    def library(self, figures: Figures) -> None:
        """What the library comes to has been looked up."""
        self.progress.shapes = figures.shaped
        metrics.LIBRARY_LOSS.set(figures.loss)  # before the shapes that it is of
        metrics.CLUSTERS.labels("shaped").set(figures.shaped)
        metrics.CLUSTERS.labels("shapeless").set(figures.shapeless)
        metrics.CLUSTERS.labels("retired").set(figures.retired)

    def stage(self, stage: str, seconds: float) -> None:
        """A piece of work of a stage was done."""
        metrics.STAGE_SECONDS.labels(stage).observe(seconds)
        total = self.progress.stage_seconds
        total[stage] = total.get(stage, 0.0) + seconds

    def reject(self, reason: str) -> None:
        """Something was refused outside a batch."""
        metrics.REJECTS.labels(reason).inc()
        self.progress.run_rejected += 1
        self.progress.rejected += 1

    def in_flight(self, batches: int) -> None:
        """The control loop turned once more, with so many batches between reading and committing."""
        self._turned = time.monotonic()
        self.progress.in_flight = batches
        metrics.IN_FLIGHT.set(batches)

    def idle_s(self) -> float:
        """Seconds since the control loop last turned, or waited for a disk that it knows to be full or failing."""
        return time.monotonic() - self._turned

    def waited(self, stage: str, seconds: float) -> None:
        """The control loop had nothing to do but wait for a stage."""
        metrics.WAIT_SECONDS.labels(stage).inc(seconds)

    def held_back(self, cause: str, seconds: float) -> None:
        """Reading could not go on, because of a stage that was too slow or of a disk that was full or failing."""
        self._turned = time.monotonic()
        metrics.BACKPRESSURE_SECONDS.labels(cause).inc(seconds)

    def recon_queue(self, due: int, running: int) -> None:
        """Clusters due and under reconstruction."""
        self.progress.recon_queue, self.progress.recon_running = due, running
        metrics.RECON_QUEUE.set(due)
        metrics.RECON_RUNNING.set(running)

    def quarantined(self, clusters: int) -> None:
        """Clusters whose reconstruction failed too often."""
        metrics.RECON_QUARANTINED.set(clusters)

    def reconstruction(self, report: PublishReport) -> None:
        """A reconstruction ended."""
        self.progress.run_reconstructions += 1
        metrics.RECON_JOBS.labels(report.outcome).inc()
        metrics.RECON_DEVICE_SECONDS.labels(report.device or "unknown").inc(report.seconds)
        if report.outcome != "failed":
            metrics.RECON_SECONDS.labels(report.start).observe(report.seconds)
        for outcome, count in report.handed_back.items():
            metrics.HANDED_BACK.labels(outcome).inc(count)
        if report.outcome == "published":
            self.progress.run_published += 1
            metrics.VERSIONS.inc()
            metrics.VERSION_LOSS.observe(report.loss)
        if report.outcome == "published" and report.version == 1:
            self.progress.shapes += 1

    def began(self, version: str, backbone: str, clusterer: str, in_flight: int) -> None:
        """What runs, and the most batches it takes in flight."""
        metrics.BUILD.labels(version, backbone, clusterer).set(1)
        metrics.IN_FLIGHT_LIMIT.set(in_flight)

    def opened(self, report: OpenReport) -> None:
        """The state was opened, its index brought up to date; what it holds from earlier runs."""
        now, status = self.progress, report.status
        now.index_vectors, now.images = report.index_vectors, status.images
        now.rejected, now.clusters, now.outliers = status.rejected, status.clusters, status.outliers
        metrics.STORED_IMAGES.set(status.images)
        metrics.OUTLIERS.set(status.outliers)
        self.library(report.figures)
        self.store(report.store)
        _index_metrics(report)

    def store(self, sizes: StoreSizes) -> None:
        """What the store takes, which versions add to between batches."""
        metrics.STORE_BYTES.set(sizes.used)
        metrics.STORE_MAP_BYTES.set(sizes.map)
        metrics.STORE_LIMIT_BYTES.set(sizes.limit)
        for kind in ("images", "shapes", "clusterer", "free"):
            metrics.STORE_HELD_BYTES.labels(kind).set(getattr(sizes, kind))

    def waiting(self, shards: int) -> None:
        """Shards that are known and not yet begun."""
        self.progress.waiting_shards = shards
        metrics.SHARDS_WAITING.set(shards)

    def disk_free(self, size: int) -> None:
        """Bytes free where the state is."""
        metrics.DISK_FREE.set(size)

    def memory(self, resident: dict[str, int]) -> None:
        """Resident memory by kind of process."""
        for process, size in resident.items():
            metrics.PROCESS_MEMORY.labels(process).set(size)

    def images_per_second(self) -> float:
        """Rate of the last seconds; may be asked for in any thread."""
        now = time.monotonic()
        recent = [(at, count) for at, count in tuple(self._recent) if now - at <= _RATE_WINDOW_S]
        return sum(count for _, count in recent) / max(now - recent[0][0], 1.0) if recent else 0.0


def _commit_metrics(header: BatchHeader, report: CommitReport) -> None:
    metrics.BATCHES.inc()
    metrics.IMAGES.inc(report.stored)
    metrics.SHARDS_DONE.inc(header.last)
    for reason, count in report.rejects.items():
        metrics.REJECTS.labels(reason).inc(count)
    metrics.INDEX_SAVE_FAILURES.inc(not report.index_saved)
    metrics.INDEX_DRIFT.set(report.index_drift)
    _index_metrics(report)


def _index_metrics(report: CommitReport | OpenReport) -> None:
    metrics.INDEX_RECALL.set(report.index_recall)  # before the vectors: without one nothing is looked for
    metrics.INDEX_VECTORS.set(report.index_vectors)
    metrics.INDEX_BYTES.set(report.index_bytes)
    metrics.CLUSTERER_BYTES.set(report.clusterer_bytes)
