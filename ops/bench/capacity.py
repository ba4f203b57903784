"""What `shapelode plan` says of a crawl, beside what the crawl then took.

Daemons mine samples; from their metrics a larger crawl is forecast, and mined as well. As in a crawl that goes on, each
shard shows objects that none before it has shown, and each object is of a kind of its own, so that the number of
clusters grows with the images, as the model takes it to. One sample shows the crawl's first objects in other photos and
is mined before it, one shows the others and is mined after it: what is checked is how a crawl follows from rates, not
how well a sample was drawn, and a machine whose speed drifts does so for both.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from daemon.capacity import Crawl, Forecast, Measured, forecast, measured
from ops.bench.report import Measure, Report
from ops.bench.soak.daemon import Daemon
from ops.errors import StateError
from ops.synth import animals, bodies, gadgets, vehicles
from ops.synth.shapes import KINDS, Maker, Shape, assemble
from ops.synth.shards import write_photos

WITHIN = 0.2
_OTHERS: tuple[Maker, ...] = (
    animals.quadruped, vehicles.car, bodies.sofa, gadgets.screen, animals.biped, vehicles.aeroplane, bodies.shelf,
    gadgets.piano, vehicles.two_wheeler, animals.bird, bodies.bed, gadgets.clock, vehicles.boat, gadgets.watering_can,
    bodies.chest,
)  # fmt: skip
MAKERS = tuple(maker for pair in zip((maker for _, maker in KINDS), _OTHERS, strict=True) for maker in pair)
"""What an object is of, by its number; alternately from two lists, so that neighbours differ much."""
_OF_A_SHARD = 3
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
        objects: that the crawl shows; each sample shows half of them.
        views: photos of each.
        seed: draws objects and photos.
    """

    objects: int = len(MAKERS)
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
        for take, (part, catalogue) in enumerate(parts.items()):
            tell(f"{part}: rendering {len(catalogue)} objects")
            render(folder / part, catalogue, take, settings)
        before, crawl, after = (mine(folder, part, settings.views * len(parts[part]), tell) for part in parts)
    return compare((before, after), crawl, settings)


def _parts(settings: Settings) -> dict[str, list[Shape]]:
    """The objects of each part, in the order in which they are mined."""
    catalogue = [
        assemble(f"{number:03d}", "", MAKERS[number % len(MAKERS)](np.random.default_rng((settings.seed, number))))
        for number in range(settings.objects)
    ]
    half = settings.objects // 2
    return {"sample": catalogue[:half], "crawl": catalogue, "other sample": catalogue[half:]}


def render(folder: Path, catalogue: Sequence[Shape], take: int, settings: Settings) -> None:
    """Shards that show objects of their own each; the same objects in other photos where ``take`` differs."""
    folder.mkdir()
    for first in range(0, len(catalogue), _OF_A_SHARD):
        some, seed = catalogue[first : first + _OF_A_SHARD], first + settings.objects * (take + 3 * settings.seed)
        made = write_photos(folder / f"of-{first}", some, settings.views, seed, per_shard=settings.views * len(some))
        (made / "00000.tar").rename(folder / f"{first:05d}.tar")


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
    """Forecast, from both samples, and measurement side by side."""
    run, truth = _together([measured(sample.text) for sample in samples]), measured(crawl.text)
    said = forecast(run, Crawl(truth.images, devices=2, readers=1, states=1, device_hour=0.0, embedders=1, workers=1))
    pairs = _pairs(run, said, truth, crawl.seconds)
    off = {name: abs(value / fact - 1) if fact else float("inf") for name, (value, fact) in pairs.items()}
    measures = [Measure(name, value, "context", {"measured": fact}) for name, (value, fact) in pairs.items()]
    given = {} if said.chance is None else {"give or take": said.versions * said.chance}
    versions = {"measured": truth.images * truth.versions, **given}
    measures.append(Measure("versions", said.versions, "context", versions))
    furthest = max(off, key=lambda name: off[name])
    measures.append(Measure("furthest off, share of what was measured", off[furthest], "lower", {"to reach": WITHIN}))
    facts: dict[str, str | int | float] = {
        "images measured": run.images, "images forecast": truth.images, "bound by": said.busiest,
        "furthest off": furthest, "seed": settings.seed,
        "seconds of the samples": ", ".join(f"{sample.seconds:.0f}" for sample in samples),
        "jobs of the samples": outcomes(*samples), "jobs of the crawl": outcomes(crawl),
    }  # fmt: skip
    return Report("capacity: a crawl as forecast from samples", measures, facts)


def _together(runs: list[Measured]) -> Measured:
    """What runs took on average for an image, and on average held."""
    images = sum(run.images for run in runs)
    counts = ("images", "jobs", "memory", "held")
    names = [field.name for field in fields(Measured) if field.name not in counts]
    means = {name: sum(run.images * getattr(run, name) for run in runs) / images for name in names}
    memory = {kind: sum(run.memory[kind] for run in runs) / len(runs) for kind in runs[0].memory}
    held = round(sum(run.held for run in runs) / len(runs))
    return replace(runs[0], images=images, jobs=sum(run.jobs for run in runs), memory=memory, held=held, **means)


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
