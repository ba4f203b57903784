"""What `shapelode plan` says of a crawl, beside what the crawl then took.

A daemon mines a small sample; from its metrics a larger crawl of the same kind is forecast, and mined as well. As in a
crawl that goes on, each shard shows objects that none before it has shown. Then the sample is mined again: what the
same work took before and after tells how the machine's speed has drifted, and the forecast goes by the mean of both.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

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
_RATES = ("read_s", "embed_s", "commit_s", "recon_s", "versions")
_ACTIVE = ("shapelode_images_total", "shapelode_rejects_total", "shapelode_recon_jobs_total")
_BUSY = ("shapelode_recon_running_jobs", "shapelode_recon_queue_jobs", "shapelode_in_flight_batches")
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """Two crawls.

    Attributes:
        sample: shards that are measured.
        crawl: shards that are forecast.
        shapes: objects a shard.
        views: photos of each.
        seed: of the sample; the crawl begins with the next objects.
    """

    sample: int = 6
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
        crawls = {
            "sample": (settings.seed, settings.sample),
            "crawl": (settings.seed + settings.sample, settings.crawl),
        }
        for part, (seed, shards) in crawls.items():
            tell(f"{part}: rendering {shards} shards")
            render(folder / part, seed, shards, settings)
        of_sample, of_crawl = (shards * settings.shapes * settings.views for _, shards in crawls.values())
        before = mine(folder, "sample", of_sample, tell)
        crawl = mine(folder, "crawl", of_crawl, tell)
        after = mine(folder, "sample", of_sample, tell)
    return compare((before, after), crawl, settings)


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
    state = Path(mkdtemp(prefix=f"{part}-state-", dir=folder))
    daemon = Daemon(state, folder / part, folder / f"{part}.log")
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
    """Forecast, from the sample as it was mined before and after the crawl, and measurement side by side."""
    runs, truth = [measured(sample.text) for sample in samples], measured(crawl.text)
    run = replace(runs[0], **{name: sum(getattr(one, name) for one in runs) / len(runs) for name in _RATES})
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
        "furthest off": furthest, "seed": settings.seed, "seconds of the sample": samples[0].seconds,
        "and again": samples[1].seconds, "embedding of the same took, over the first time": _over(runs, "embed_s"),
        "reconstruction": _over(runs, "recon_s"),
    }  # fmt: skip
    return Report("capacity: a crawl as forecast from a sample", measures, facts)


def _over(runs: list[Measured], name: str) -> float:
    before, after = (getattr(run, name) for run in runs)
    return round(after / before, 3) if before else math.nan


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
