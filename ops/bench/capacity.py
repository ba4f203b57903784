"""What `shapelode plan` says of a crawl, beside what the crawl then took.

A daemon mines a small sample; from its metrics a larger crawl of the same kind is forecast, and mined as well. As in a
crawl that goes on, each shard shows objects that none before it has shown. Half of the sample is mined before the crawl
and half after it, each by a daemon of its own, so that a machine whose speed drifts meanwhile does so for both.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client.parser import text_string_to_metric_families

from daemon.capacity import Crawl, Forecast, Measured, forecast, measured
from ops.bench.report import Measure, Report
from ops.bench.soak.daemon import Daemon
from ops.errors import StateError
from ops.synth.shards import write_shards

WITHIN = 0.2
_POLL_S = 0.25
_QUIET_S = 6.0  # longer than a pause between two reconstructions, or between two looks for shards
_LIMIT_S = 1800.0
_ACTIVE = ("shapelode_images_total", "shapelode_rejects_total", "shapelode_recon_jobs_total")
_BUSY = ("shapelode_recon_running_jobs", "shapelode_recon_queue_jobs", "shapelode_in_flight_batches")
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """Two crawls.

    Attributes:
        sample: shards that are measured, half of them before the crawl and half after it.
        crawl: shards that are forecast.
        shapes: objects a shard.
        views: photos of each.
        seed: of the sample's first half; the crawl begins with the next objects, the second half with those after it.
    """

    sample: int = 12
    crawl: int = 12
    shapes: int = 3
    views: int = 20
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Mined:
    """A daemon's metrics after all was done, and the seconds from when it was up until then."""

    text: str
    seconds: float


def run(settings: Settings, tell: Tell = lambda line: None) -> Report:
    """Mines both crawls and compares.

    Raises:
        ConfigError: too few images were stored to go by.
        StateError: a daemon did not start, ended, or was not done in time.
    """
    with TemporaryDirectory(prefix="shapelode-capacity-") as name:
        folder = Path(name)
        parts = _parts(settings)
        for part, (seed, shards) in parts.items():
            tell(f"{part}: rendering {shards} shards")
            render(folder / part, seed, shards, settings)
        of_a_shard = settings.shapes * settings.views
        before, crawl, after = (mine(folder, part, shards * of_a_shard, tell) for part, (_, shards) in parts.items())
    return compare((before, after), crawl, settings)


def _parts(settings: Settings) -> dict[str, tuple[int, int]]:
    """Seed of the first shard, and number of shards, in the order in which they are mined."""
    early = -(-settings.sample // 2)
    beyond = settings.seed + early + settings.crawl
    return {
        "sample": (settings.seed, early),
        "crawl": (settings.seed + early, settings.crawl),
        "rest of the sample": (beyond, max(1, settings.sample - early)),
    }


def render(folder: Path, seed: int, shards: int, settings: Settings) -> None:
    """Shards that show objects of their own each."""
    folder.mkdir()
    for number in range(seed, seed + shards):
        count = settings.shapes * settings.views
        made = write_shards(folder / f"of-{number}", settings.shapes, settings.views, number, per_shard=count)
        (made / "00000.tar").rename(folder / f"{number:05d}.tar")


def mine(folder: Path, part: str, samples: int, tell: Tell) -> Mined:
    """Lets a daemon mine a folder of shards until all samples are stored or refused and all is made of them.

    Raises:
        StateError: it did not start, ended, or was not done in time.
    """
    daemon = Daemon(folder / f"{part}-state", folder / part, folder / f"{part}.log")
    daemon.start()
    try:
        if not daemon.wait_until_up():
            raise StateError(f"the daemon did not start; see {folder / part}.log")
        found = watch(daemon, samples)
    finally:
        daemon.stop()
    tell(f"{part}: {samples} samples in {found.seconds:.1f} s")
    return found


def watch(daemon: Daemon, samples: int) -> Mined:
    """Waits until nothing has happened for a while and nothing is about to."""
    began = changed = time.monotonic()
    before: list[float] = []
    text = ""
    while (now := time.monotonic()) - began < _LIMIT_S:
        if daemon.exit_code() is not None:
            raise StateError(f"the daemon ended with {daemon.exit_code()}")
        text = daemon.scrape() or text
        totals = sums(text)
        so_far = [totals.get(name, 0.0) for name in _ACTIVE]
        if so_far != before or any(totals.get(name, 0.0) for name in _BUSY):
            before, changed = so_far, now
        elif sum(so_far[:2]) >= samples and now - changed > _QUIET_S:
            return Mined(text, changed - began)
        time.sleep(_POLL_S)
    raise StateError(f"the daemon was not done after {_LIMIT_S:.0f} s; the last of its metrics: {text[-300:]}")


def sums(text: str) -> dict[str, float]:
    """Sums of the samples of each name."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def compare(samples: tuple[Mined, Mined], crawl: Mined, settings: Settings) -> Report:
    """Forecast, from both halves of the sample, and measurement side by side."""
    run, truth = _together([measured(sample.text) for sample in samples]), measured(crawl.text)
    said = forecast(run, Crawl(truth.images, devices=2, readers=1, states=1, device_hour=0.0, embedders=1, workers=1))
    pairs = _pairs(run, said, truth, crawl.seconds)
    off = {name: abs(value / fact - 1) if fact else float("inf") for name, (value, fact) in pairs.items()}
    measures = [Measure(name, value, "context", {"measured": fact}) for name, (value, fact) in pairs.items()]
    # Few are counted in a sample, so that chance alone moves them by the root of their number.
    chance = said.versions / math.sqrt(max(1.0, run.images * run.versions))
    fact = truth.images * truth.versions
    measures.append(Measure("versions", said.versions, "context", {"measured": fact, "give or take": chance}))
    furthest = max(off, key=lambda name: off[name])
    measures.append(Measure("furthest off, share of what was measured", off[furthest], "lower", {"to reach": WITHIN}))
    facts: dict[str, str | int | float] = {
        "images measured": run.images, "images forecast": truth.images, "bound by": said.busiest,
        "furthest off": furthest, "seed": settings.seed,
        "seconds of the sample's halves": ", ".join(f"{sample.seconds:.0f}" for sample in samples),
        "jobs of the sample": outcomes(*samples), "jobs of the crawl": outcomes(crawl),
    }  # fmt: skip
    return Report("capacity: a crawl as forecast from a sample", measures, facts)


def _together(runs: list[Measured]) -> Measured:
    """What runs of as many images took on average, of the images of all."""
    names = [field.name for field in fields(Measured) if field.name not in ("images", "memory", "held")]
    means = {name: sum(getattr(run, name) for run in runs) / len(runs) for name in names}
    memory = {kind: sum(run.memory[kind] for run in runs) / len(runs) for kind in runs[0].memory}
    held = round(sum(run.held for run in runs) / len(runs))
    return replace(runs[0], images=sum(run.images for run in runs), memory=memory, held=held, **means)


def outcomes(*mined: Mined) -> str:
    """How often reconstructions ended how."""
    found = Counter[str]()
    for one in mined:
        for family in text_string_to_metric_families(one.text):
            for sample in family.samples:
                if sample.name == "shapelode_recon_jobs_total":
                    found[sample.labels["outcome"]] += int(sample.value)
    return ", ".join(f"{outcome} {count}" for outcome, count in found.most_common() if count)


def _pairs(run: Measured, said: Forecast, truth: Measured, seconds: float) -> dict[str, tuple[float, float]]:
    """What was forecast and what was measured; the cost is the time's, at a price."""
    images = truth.images
    return {
        "time, s": (3600 * said.hours, seconds),
        "embedding, s of a device": (images * run.embed_s, images * truth.embed_s),
        "reconstruction, s of a device": (images * run.recon_s, images * truth.recon_s),
        "disk, MB": (said.store_bytes / 1e6, (truth.store_fixed + truth.held * truth.store_bytes) / 1e6),
        "memory of the writer, MB": (said.writer_bytes / 1e6, truth.memory["miner"] / 1e6),
    }
