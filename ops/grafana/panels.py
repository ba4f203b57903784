"""What the dashboards show, from the first look at a daemon down to its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL query, and what its lines are called."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: lines over time, or the present value."""

    title: str
    text: str
    unit: str
    queries: tuple[Query, ...]
    kind: Literal["timeseries", "stat"] = "timeseries"


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Panels under one name."""

    name: str
    title: str
    panels: tuple[Panel, ...]


def _of(metric: str, more: str = "") -> str:
    return f'{metric}{{instance=~"$instance"{", " + more if more else ""}}}'


def _stat(title: str, text: str, unit: str, expr: str) -> Panel:
    return Panel(title, text, unit, (Query(expr, "{{instance}}"),), "stat")


def _lines(title: str, text: str, unit: str, *queries: tuple[str, str]) -> Panel:
    return Panel(title, text, unit, tuple(Query(expr, legend) for expr, legend in queries))


def _quantile(quantile: float, metric: str, by: str) -> tuple[str, str]:
    rates = f"sum by ({by}, le) (rate({_of(metric + '_bucket')}[5m]))"
    return f"histogram_quantile({quantile}, {rates})", f"{{{{{by}}}}} p{round(100 * quantile)}"


def _quantiles(metric: str, by: str) -> tuple[tuple[str, str], ...]:
    return _quantile(0.5, metric, by), _quantile(0.95, metric, by)


_RATE = _lines(
    "Images stored",
    "Images a second over five minutes.",
    "ops",
    (_of("instance:shapelode_images:rate5m"), "{{instance}}"),
)
_REJECT_SHARE = _lines(
    "Share refused",
    "Of all that was read within a quarter of an hour. Above 30 % ShapelodeRejectsSpiking fires.",
    "percentunit",
    (_of("instance:shapelode_rejects:ratio15m"), "{{instance}}"),
)
_MEMORY = _lines(
    "Memory", "Resident memory of the processes of a kind.", "bytes",
    (f"sum by (process) ({_of('shapelode_process_memory_bytes')})", "{{process}}"),
)  # fmt: skip
_QUEUE = _lines(
    "Reconstructions waiting",
    "Clusters that are due, and those under reconstruction.",
    "none",
    (_of("shapelode_recon_queue_jobs"), "due"),
    (_of("shapelode_recon_running_jobs"), "running"),
    (_of("shapelode_recon_quarantined_clusters"), "quarantined"),
)
_LOSS = _lines(
    "Loss of the library", "Mean held-out loss of the published shapes, by images; lower is better.", "none",
    (_of("shapelode_library_loss_ratio"), "{{instance}}"),
)  # fmt: skip

_OVERVIEW = Dashboard("overview", "overview", (
    _stat("Ready", "1 while the library is whole and fit to be asked.", "none", _of("shapelode_ready")),
    _stat("Images", "Images in the store.", "short", _of("shapelode_stored_images")),
    _stat("Shapes", "Open clusters with a published shape.", "short", _of("shapelode_clusters", 'state="shaped"')),
    _RATE,
    _REJECT_SHARE,
    _lines("Held back by", "Share of time in which no further batch was read, by what held reading back.",
           "percentunit", (_of("instance_cause:shapelode_backpressure:ratio5m"), "{{cause}}")),
    _QUEUE,
    _LOSS,
    _MEMORY,
    _lines("Room", "Share of the size the store may grow to that is in use.", "percentunit",
           (_of("instance:shapelode_store_used:ratio"), "{{instance}}")),
    _lines("Disk", "Bytes free on the disk of the state directory.", "bytes",
           (_of("shapelode_disk_free_bytes"), "{{instance}}")),
    _lines("API", "Requests a second, by class of status.", "ops",
           (f"sum by (status) (rate({_of('shapelode_api_request_seconds_count')}[5m]))", "{{status}}")),
    _lines("Time of a request", "95th percentile, of the eight slowest routes that were asked for.", "s",
           (f"topk(8, max by (route) ({_of('instance_route:shapelode_api_request_seconds:p95_5m')} >= 0))",
            "{{route}}")),
))  # fmt: skip

_INGEST = Dashboard("ingest", "ingest", (
    _RATE,
    _lines("Refused", "Samples a second that are refused, by reason; no line of what nothing was refused for.", "ops",
           (f"topk(7, sum by (reason) (rate({_of('shapelode_rejects_total')}[5m])) > 0)", "{{reason}}")),
    _REJECT_SHARE,
    _lines("Time of a batch in a stage", "Median, and the 95th percentile of the slowest daemon.", "s",
           _quantile(0.5, "shapelode_stage_seconds", "stage"),
           (f"max by (stage) ({_of('instance_stage:shapelode_stage_seconds:p95_5m')})", "{{stage}} p95")),
    _lines("In flight", "Batches read or embedded and not yet committed, and the most there may be.", "none",
           (_of("shapelode_in_flight_batches"), "in flight"), (_of("shapelode_in_flight_limit_batches"), "limit")),
    _lines("Held back by", "Share of time in which no further batch was read.", "percentunit",
           (_of("instance_cause:shapelode_backpressure:ratio5m"), "{{cause}}")),
    _lines("Waited for", "Share of time the control loop waited, by stage.", "percentunit",
           (f"rate({_of('shapelode_wait_seconds_total')}[5m])", "{{stage}}")),
    _lines("Batches", "Batches a second that became durable.", "ops",
           (f"rate({_of('shapelode_batches_total')}[5m])", "{{instance}}")),
    _lines("Shards", "Shards known and not yet begun, and those read to their end.", "none",
           (_of("shapelode_waiting_shards"), "waiting"), (_of("shapelode_shards_done_total"), "done")),
))  # fmt: skip

_INDEX = Dashboard("index", "index and store", (
    _lines("Vectors and images", "The two are the same while the index is in step.", "short",
           (_of("shapelode_index_vectors"), "vectors"), (_of("shapelode_stored_images"), "images")),
    _lines("Images the index lacks", "More than none for ten minutes is ShapelodeIndexStale.", "none",
           (_of("instance:shapelode_index_lag:images"), "{{instance}}")),
    _lines("Recall", "Share of a sample of stored images that their own descriptors find.", "percentunit",
           (_of("shapelode_index_recall_ratio"), "{{instance}}")),
    _lines("Drift", "Distance of what arrives now from what is stored.", "none",
           (_of("shapelode_index_drift_ratio"), "{{instance}}")),
    _lines("Clusters", "By state.", "none", (f"sum by (state) ({_of('shapelode_clusters')})", "{{state}}")),
    _lines("Splits and merges", "Events an hour by kind, and images that reconstructions handed back.", "none",
           (f"sum by (kind) (increase({_of('shapelode_cluster_events_total')}[1h]))", "{{kind}}"),
           (f"sum by (outcome) (increase({_of('shapelode_handed_back_images_total')}[1h]))", "back: {{outcome}}")),
    _lines("Outliers", "Share of the stored images that are in no cluster.", "percentunit",
           (f"{_of('shapelode_outlier_images')} / {_of('shapelode_stored_images')}", "{{instance}}")),
    _lines("Store", "Bytes in use and for what, of the map and of its limit; memory of index and clusterer.", "bytes",
           (_of("shapelode_store_bytes"), "in use"), (_of("shapelode_store_held_bytes"), "of it: {{kind}}"),
           (_of("shapelode_store_map_bytes"), "map"),
           (_of("shapelode_store_limit_bytes"), "limit"), (_of("shapelode_index_bytes"), "index in memory"),
           (_of("shapelode_clusterer_bytes"), "clusterer in memory")),
    _lines("Saves that failed", "Times in an hour that the index could not be saved.", "none",
           (f"increase({_of('shapelode_index_save_failures_total')}[1h])", "{{instance}}")),
))  # fmt: skip

_RECON = Dashboard("reconstruction", "reconstruction", (
    _QUEUE,
    _lines("Ended", "Reconstructions an hour, by outcome.", "none",
           (f"sum by (outcome) (increase({_of('shapelode_recon_jobs_total')}[1h]))", "{{outcome}}")),
    _lines("Share that broke", "Within an hour. Above 20 % ShapelodeReconFailing fires.", "percentunit",
           (_of("instance:shapelode_recon_failed:ratio1h"), "{{instance}}")),
    _lines("Time of a reconstruction", "Median and 95th percentile; searches are for a rival to a version.", "s",
           *_quantiles("shapelode_recon_seconds", "start")),
    _lines("Time until all that is due is done", "At the pace of the last hour.", "s",
           (_of("instance:shapelode_recon_drain:seconds"), "{{instance}}")),
    _lines("Devices at work", "Devices that reconstructions hold, on average.", "none",
           (f"sum by (device) (rate({_of('shapelode_recon_device_seconds_total')}[5m]))", "{{device}}")),
))  # fmt: skip

_QUALITY = Dashboard("quality", "library quality", (
    _stat("Shapes", "Open clusters with a published shape.", "short", _of("shapelode_clusters", 'state="shaped"')),
    _stat("Loss", "Mean held-out loss of the published shapes, by images; lower is better.", "none",
          _of("shapelode_library_loss_ratio")),
    _stat("Cost of a version", "Seconds that reconstructions held a device, for each version published.", "s",
          _of("instance:shapelode_published_version:device_seconds6h")),
    _LOSS,
    _lines("Loss of new versions", "Held-out loss when published: median and 95th percentile.", "none",
           *_quantiles("shapelode_published_loss_ratio", "instance")),
    _lines("Versions", "Shape versions published an hour.", "none",
           (f"increase({_of('shapelode_versions_published_total')}[1h])", "{{instance}}")),
))  # fmt: skip

DASHBOARDS = (_OVERVIEW, _INGEST, _INDEX, _RECON, _QUALITY)
