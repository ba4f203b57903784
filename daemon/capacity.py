"""What a crawl will take, from what a run of the same kind was measured to take.

The stages overlap: while one batch is embedded the next is read and the one before is written. So a crawl takes as
long as the busiest of them: the devices, which embed and reconstruct, sharing the work or each doing one of the two;
the readers; or the writers, one a state.
Reconstructions are taken to grow with the images, as they do while a crawl goes on showing new shapes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from ops.errors import ConfigError

_LEAST_IMAGES = 100
_HEADROOM = 0.85  # of the size a store may grow to, from where on an alert fires


WHOLE, CODED, CODE = 4000, 200_000, 136
"""Images from which on sums stay in the store, those from which on the index keeps codes, and the bytes of one."""
_ID, _PLACES = 8, 36  # bytes of an id in the index, and of what the clusterer keeps of an image beside its row


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run took.

    Attributes:
        images: images it stored.
        read_s: seconds of a reader for each image, refused ones charged to the stored.
        embed_s: seconds of an embedder for each image.
        commit_s: seconds of the writer for each image, results of reconstructions among them.
        recon_s: seconds of a reconstructor for each image, whatever became of the reconstructions.
        versions: versions published for each image.
        jobs: reconstructions that ended, whatever became of them.
        store_bytes: bytes of the store for each image it holds, versions of shapes among them.
        store_fixed: bytes of it that hardly grow: the clusterer's state, and what is free to be written to next.
        index_bytes: bytes of the index in memory for each image held.
        clusterer_bytes: bytes of the clusterer in memory for each image held.
        memory: resident bytes by kind of process.
        held: images in the store.
    """

    images: int
    read_s: float
    embed_s: float
    commit_s: float
    recon_s: float
    versions: float
    jobs: int
    store_bytes: float
    store_fixed: float
    index_bytes: float
    clusterer_bytes: float
    memory: Mapping[str, float]
    held: int


@dataclass(frozen=True, slots=True)
class Crawl:
    """What is asked for: so many images, on so many devices and machines.

    Attributes:
        images: images to be stored.
        devices: GPUs, or what the run was measured on.
        readers: readers, all states together.
        states: daemons, each with a state, a writer and an index of its own.
        device_hour: price of a device for an hour.
        embedders: devices that embed and do nothing else; 0 if devices are shared as there is work.
        workers: devices that reconstruct and do nothing else; 0 as above.
    """

    images: float
    devices: int
    readers: int
    states: int
    device_hour: float
    embedders: int = 0
    workers: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What it will take.

    Attributes:
        hours: from the first image to the last.
        busiest: what bounds it: devices (or embedders or reconstructors, where they do not share them), readers or
            writers.
        device_hours: of all devices, idle ones among them.
        cost: of these, in the currency of the price.
        embedders: devices' worth of embedding; the rest of the devices reconstructs.
        reconstructors: devices' worth of reconstruction.
        readers_needed: readers from which on they bound nothing.
        states_needed: states from which on the writers bound nothing.
        store_bytes: of one state on its disk.
        map_bytes: a bound (store.map_size_gib) that leaves room.
        writer_bytes: memory of one writer, its index included.
        versions: versions published, all states together.
        chance: share by which chance alone may move the work of reconstructing: jobs are few in a short run, and how
            often they come varies by the root of their number. None where none was measured.
    """

    hours: float
    busiest: str
    device_hours: float
    cost: float
    embedders: float
    reconstructors: float
    readers_needed: int
    states_needed: int
    store_bytes: float
    map_bytes: float
    writer_bytes: float
    versions: float
    chance: float | None


def forecast(run: Measured, crawl: Crawl) -> Forecast:
    """What a crawl will take."""
    embed, recon = crawl.images * run.embed_s, crawl.images * run.recon_s
    seconds = _on_devices(embed, recon, crawl)
    devices = max(seconds.values())
    seconds["readers"] = crawl.images * run.read_s / crawl.readers
    seconds["writers"] = crawl.images * run.commit_s / crawl.states
    busiest = max(seconds, key=lambda name: seconds[name])
    hours = seconds[busiest] / 3600
    each = crawl.images / crawl.states
    share = embed / (embed + recon) if embed + recon else 1.0
    disk = run.store_fixed + each * run.store_bytes
    return Forecast(
        hours=hours,
        busiest=busiest,
        device_hours=hours * crawl.devices,
        cost=hours * crawl.devices * crawl.device_hour,
        embedders=crawl.embedders or share * crawl.devices,
        reconstructors=crawl.workers or (1 - share) * crawl.devices,
        readers_needed=_needed(crawl.images * run.read_s, devices),
        states_needed=_needed(crawl.images * run.commit_s, devices),
        store_bytes=disk,
        map_bytes=disk / _HEADROOM,
        writer_bytes=_writer_bytes(run, each),
        versions=crawl.images * run.versions,
        chance=1 / math.sqrt(run.jobs) if run.jobs else None,
    )


def _writer_bytes(run: Measured, images: float) -> float:
    """Memory of a writer that holds so many images.

    What it takes for an image falls as there are more: the clusterer lets go of sums, and holds rows in half precision,
    from `WHOLE` on, and the index keeps `CODE` bytes instead of a vector from `CODED` on. A run that was as large has
    told it.
    """
    most = max(images, run.held)
    bare = run.memory.get("miner", 0.0) - run.held * (run.index_bytes + run.clusterer_bytes)
    index, clusterer = run.index_bytes, run.clusterer_bytes
    if most >= WHOLE > run.held:
        clusterer = max(0.0, clusterer - (index - _ID)) / 2 + _PLACES  # a sum is as long as a vector
    if most >= CODED > run.held:
        index = min(index, CODE)
    return max(0.0, bare) + most * (index + clusterer)


def _on_devices(embed: float, recon: float, crawl: Crawl) -> dict[str, float]:
    """Seconds that devices are busy, by what they do."""
    if crawl.embedders or crawl.workers:
        return {"embedders": embed / max(1, crawl.embedders), "reconstructors": recon / max(1, crawl.workers)}
    return {"devices": (embed + recon) / crawl.devices}


def _needed(work_s: float, seconds: float) -> int:
    return max(1, math.ceil(work_s / seconds)) if seconds else 1


def measured(text: str) -> Measured:
    """What a run took, from its metrics as its port tells them.

    Raises:
        ConfigError: they are no metrics of a daemon, or of one that has stored too little to go by.
    """
    totals = _totals(text)
    images = totals.get("shapelode_images_total", 0.0)
    if images < _LEAST_IMAGES:
        raise ConfigError(
            f"the metrics are of a run that has stored {images:.0f} images, {_LEAST_IMAGES} are needed to go by; take "
            f"them from the metrics port of a daemon at work"
        )
    held = totals["shapelode_stored_images"]
    stage = {name: totals.get(f"shapelode_stage_seconds_sum {name}", 0.0) / images for name in _STAGES}
    kinds = ("daemon", "reader", "embedder", "miner", "reconstructor")
    return Measured(
        images=round(images),
        read_s=stage["read"],
        embed_s=stage["embed"],
        commit_s=stage["commit"] + stage["publish"],
        recon_s=totals.get("shapelode_recon_device_seconds_total", 0.0) / images,
        versions=totals.get("shapelode_versions_published_total", 0.0) / images,
        jobs=round(totals.get("shapelode_recon_jobs_total", 0.0)),
        store_bytes=sum(totals.get(f"{_HELD} {kind}", 0.0) for kind in ("images", "shapes")) / held,
        store_fixed=sum(totals.get(f"{_HELD} {kind}", 0.0) for kind in ("clusterer", "free")),
        index_bytes=totals["shapelode_index_bytes"] / held,
        clusterer_bytes=totals["shapelode_clusterer_bytes"] / held,
        memory={kind: totals.get(f"shapelode_process_memory_bytes {kind}", 0.0) for kind in kinds},
        held=round(held),
    )


_STAGES = ("read", "embed", "commit", "publish")
_HELD = "shapelode_store_held_bytes"
_APART = {"shapelode_stage_seconds_sum": "stage", "shapelode_process_memory_bytes": "process", _HELD: "kind"}


def _totals(text: str) -> dict[str, float]:
    """Sums by name; those of stages, processes and what the store holds apart, by name and label."""
    totals: dict[str, float] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                label = _APART.get(sample.name)
                key = f"{sample.name} {sample.labels[label]}" if label else sample.name
                totals[key] = totals.get(key, 0.0) + sample.value
    except (ValueError, KeyError) as error:
        raise ConfigError(f"these are no metrics of a daemon: {error}") from error
    return totals
