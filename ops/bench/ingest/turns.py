"""Three ways to describe the same shards, in turns: while one runs, the processes of the others stand still."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from daemon.config import Config
from index.precision import Precision
from index.stream.sources import expand
from ops.bench.ingest.side import Side, scraped
from ops.bench.ingest.work import Work, tallied
from ops.bench.report import Measure, Report
from ops.errors import StateError

BARE, RIVAL, AS_IT_COMES = "bare encoder", "Ray Data", "Ray Data as it comes"
"""The sides beside the daemon. As it comes, Ray lets an actor use one thread a CPU that it sets aside for it: one."""
SHIPPED = Config()
"""What the daemon does unless told otherwise, and so what is measured unless asked otherwise."""
REACH = {BARE: 0.95, RIVAL: 1.2, AS_IT_COMES: 1.2}
_START_S, _TURN_LIMIT_S = 300.0, 300.0
_WARM_UP = 3  # batches before the first turn
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured.

    Attributes:
        shards: patterns.
        turns: of each side.
        seconds: length of a turn; it goes on to the end of a batch.
        backbone: encoder.
        precision: its arithmetic.
        batch: images a batch.
        embedders: of the daemon.
        at_once: batches that each of them works on at once.
        in_flight: batches of the daemon that are read or embedded at once.
        workers: of Ray Data, among whom the cores are shared; 0 leaves it out.
        rival_precision: arithmetic of the encoder in Ray Data; None for the daemon's, which is then lent to it.
    """

    shards: Sequence[str]
    turns: int = 6
    seconds: float = 12.0
    backbone: str = "embedded"
    precision: Precision = "auto"
    batch: int = SHIPPED.stream.batch_size
    embedders: int = SHIPPED.backbone.embedders
    at_once: int = SHIPPED.backbone.batches_at_once
    in_flight: int = SHIPPED.stream.in_flight
    workers: int = 1
    rival_precision: Precision | None = None


@dataclass
class Spent:
    """What a side has done in its turns: images, seconds, and processor time by kind of process."""

    images: int = 0
    seconds: float = 0.0
    busy: dict[str, float] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)

    def add(self, images: int, seconds: float, busy: Mapping[str, float]) -> None:
        """One more turn."""
        self.images += images
        self.seconds += seconds
        self.busy = {kind: self.busy.get(kind, 0.0) + used for kind, used in busy.items()}
        self.rates.append(images / seconds)

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.images / self.seconds

    @property
    def each(self) -> float:
        """Milliseconds of processor time for an image."""
        return 1000 * sum(self.busy.values()) / self.images


def run(settings: Settings, tell: Tell = lambda line: None) -> Report:
    """Lets the bare encoder, the daemon and Ray Data take turns.

    Args:
        settings: what and how long.
        tell: told of progress.

    Raises:
        SourceError: a pattern matches nothing.
        StateError: a side fails, or the shards are too few for the turns.
    """
    shards = tuple(expand(settings.shards)[0])
    with TemporaryDirectory(prefix="shapelode-ingest-") as folder, ExitStack() as stack:
        sides = []
        for start in _sides(Path(folder), settings, shards):
            side = start()
            stack.callback(side.close)
            side.wait_until(_WARM_UP * settings.batch, _START_S)
            side.check()
            side.pause()
            tell(f"{side.name} has begun")
            sides.append(side)
        spent = take_turns(sides, settings.turns, settings.seconds, tell)
    return _report(settings, len(shards), spent)


def _sides(folder: Path, settings: Settings, shards: tuple[str, ...]) -> list[Callable[[], Side]]:
    cores = os.cpu_count() or 1

    def embedding(name: str, module: str, precision: Precision, workers: int, threads: int) -> Side:
        tally = folder / name.replace(" ", "-")
        tally.mkdir()
        work = Work(shards, str(tally), settings.backbone, precision, settings.batch, workers, threads)
        command = ["-m", f"ops.bench.ingest.{module}", work.argument()]
        return Side(name, command, partial(tallied, tally), tally.with_suffix(".log"))

    def daemon() -> Side:
        port = _free_port()
        told = {
            "backbone.precision": settings.precision, "backbone.embedders": settings.embedders,
            "backbone.batches_at_once": settings.at_once, "stream.batch_size": settings.batch,
            "stream.in_flight": settings.in_flight,
            "stream.decode_timeout_s": _START_S, "recon.enabled": "false",
        }  # fmt: skip
        command = ["-m", "daemon.cli", "run", *(part for shard in shards for part in ("--shards", shard))]
        command += ["--state", str(folder / "state"), "--backbone", settings.backbone, "--no-api"]
        command += ["--metrics-port", str(port), *(f"--set={key}={value}" for key, value in told.items())]
        return Side("daemon", command, partial(scraped, f"http://127.0.0.1:{port}/metrics"), folder / "daemon.log")

    found: list[Callable[[], Side]] = [partial(embedding, BARE, "bare", settings.precision, 1, cores), daemon]
    if settings.workers:
        rival = partial(embedding, module="rival", precision=settings.rival_precision or settings.precision)
        threads = max(1, cores // settings.workers)
        found.append(partial(rival, RIVAL, workers=settings.workers, threads=threads))
        found.append(partial(rival, AS_IT_COMES, workers=1, threads=0))
    return found


def take_turns(sides: Sequence[Side], turns: int, seconds: float, tell: Tell) -> dict[str, Spent]:
    """Lets each side run alone for a while, again and again, in an order that is turned round each time.

    Raises:
        StateError: a side fails or comes to its end before the turns do.
    """
    spent = {side.name: Spent() for side in sides}
    for turn in range(turns):
        for side in sides if turn % 2 == 0 else reversed(sides):
            spent[side.name].add(*_turn(side, seconds))
        rates = ", ".join(f"{name} {one.rates[-1]:.2f}" for name, one in spent.items())
        tell(f"turn {turn + 1} of {turns}, images/s: {rates}")
    return spent


def _turn(side: Side, seconds: float) -> tuple[int, float, dict[str, float]]:
    """One turn, from where the one before has ended to the first batch that is done after its time."""
    before, busy, began = side.done, side.busy(), time.monotonic()
    side.resume()
    time.sleep(seconds)
    side.wait_until(side.look() + 1, _TURN_LIMIT_S)
    took, used = time.monotonic() - began, side.busy()
    side.pause()
    if side.ended():
        side.check()
        raise StateError(f"{side.name} has come to the end of the shards; give more of them, or fewer turns")
    return side.done - before, took, {kind: seconds - busy.get(kind, 0.0) for kind, seconds in used.items()}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _report(settings: Settings, shards: int, spent: dict[str, Spent]) -> Report:
    ours = spent["daemon"]
    others = {name: one for name, one in spent.items() if name != "daemon"}
    measures = [Measure("images a second", ours.rate, "higher", {name: one.rate for name, one in others.items()})]
    measures += [
        Measure(f"images a second, over those of: {name}", ours.rate / one.rate, "higher", {"to reach": REACH[name]})
        for name, one in others.items()
    ]
    each = {name: one.each for name, one in others.items()}
    measures.append(Measure("processor time of an image, ms", ours.each, "lower", each))
    shares = sorted(((used / ours.images, kind) for kind, used in ours.busy.items()), reverse=True)
    measures += [Measure(f"of it: {kind}, ms", 1000 * share, "context") for share, kind in shares]
    facts: dict[str, str | int | float] = {
        "shards": shards, "turns": settings.turns, "batch": settings.batch, "backbone": settings.backbone,
        "precision": settings.precision, "embedders": settings.embedders, "batches at once": settings.at_once,
        "batches in flight": settings.in_flight, "workers of Ray Data": settings.workers,
        "precision in Ray Data": settings.rival_precision or settings.precision, "cores": os.cpu_count() or 1,
    }  # fmt: skip
    for name, one in spent.items():
        facts[f"{name}, images"] = one.images
        facts[f"{name}, slowest and fastest turn"] = f"{min(one.rates):.2f} to {max(one.rates):.2f}"
    return Report("ingest", measures, facts)
