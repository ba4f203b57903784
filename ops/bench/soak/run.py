"""The soak: feed, break, look, and in the end count."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ops.bench.soak.daemon import Daemon, leftovers
from ops.bench.soak.faults import Chaos
from ops.bench.soak.feed import Feed
from ops.bench.soak.outcome import CALM_TITLE, TITLE, Outcome
from ops.bench.soak.peers import Peers
from ops.bench.soak.samples import Sampler, Slope
from ops.errors import StateError
from ops.fsck import check_state
from ops.fsck.raw import RawState

_LOOK_S = 5.0
_GROWING, _SETTLED = 1 / 3, 1 / 2
"""Shares of the length: until when the library grows, and from when on nothing should."""
_MOST_FAILED_STARTS = 5
_LAST_RUNS = 3
_MOST_WAITING = 8  # shards the daemon may be behind before it is fed no more
_WHOLE_SHARD = frozenset({"truncated_tar", "unreadable_shard"})
_METRIC = re.compile(
    r"^(shapelode_(?:in_flight_batches|backpressure_seconds_total|connections_cut_total)\S*) (\S+)$", re.M
)
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how hard.

    Attributes:
        minutes: length of the soak; the last run to the end of the input comes on top.
        seed: draws photos and faults.
        per_shard: samples a shard.
        shard_s: seconds between two shards.
        fault_s: seconds between two faults.
        kills: kill processes too; without, each lives long enough to show whether it leaks.
    """

    minutes: float = 60.0
    seed: int = 0
    per_shard: int = 16
    shard_s: float = 30.0
    fault_s: float = 25.0
    kills: bool = True


class Soak:
    """One soak in one folder."""

    def __init__(self, folder: Path, settings: Settings, tell: Tell) -> None:
        self._settings = settings
        self._tell = tell
        self._state = folder / "state"
        self._log = folder / "daemon.log"
        self._feed = Feed(folder / "shards", settings.per_shard, settings.seed)
        self._peers = Peers()
        self._daemon = Daemon(self._state, folder / "shards", self._log)
        self._chaos = Chaos(self._daemon, self._feed, self._peers, folder, settings.seed, kills=settings.kills)
        self._sampler = Sampler()
        self._exits: Counter[str] = Counter()
        self._metrics: dict[str, float] = {}
        self._totals: Counter[str] = Counter()
        self._flat_from = 0
        self._starts = self._failed_starts = 0
        self._starting_s = 0.0
        self._looked = 0.0

    def run(self) -> None:
        """Feeds, breaks and looks until the time is over and every fault has fired, or twice the time is over."""
        began = last = time.monotonic()
        length = 60 * self._settings.minutes
        next_shard = next_fault = began
        self._start()
        while self._is_due(began, length):
            now = time.monotonic()
            growing = now < began + self._starting_s + _GROWING * length
            if now >= began + self._starting_s + _SETTLED * length and not self._flat_from:
                self._flat_from = self._sampler.mark()
            if now >= next_shard:
                self._feed.mend()
                if self._waiting() < _MOST_WAITING * self._settings.per_shard:
                    self._feed.add(objects=growing)
                next_shard = now + self._settings.shard_s
            if now >= next_fault:
                self._strike()
                next_fault = now + self._settings.fault_s
            self._look(now)
            if now - last >= 60:
                last = now
                self._tell(self._line((now - began) / 60))
            time.sleep(1.0)
            self._peers.tick()
        self._peers.close()
        self._feed.mend()
        self._exits[f"asked to stop, exit code {self._daemon.stop()}"] += 1

    def _is_due(self, began: float, length: float) -> bool:
        # Starts do not count: on a slow machine they would leave no time for anything else.
        spent = time.monotonic() - began - self._starting_s
        return spent < length or (spent < 2 * length and bool(self._chaos.unfired()))

    def _start(self) -> None:
        began = time.monotonic()
        plan = self._chaos.plan() if self._starts % 2 else None
        self._starts += 1
        self._peers.close()
        self._collect()
        self._daemon.start(plan)
        self._failed_starts = 0 if self._daemon.wait_until_up() else self._failed_starts + 1
        self._starting_s += time.monotonic() - began
        if self._failed_starts > _MOST_FAILED_STARTS:
            raise StateError(f"the daemon failed to start {self._failed_starts} times in a row; see {self._log}")

    def _waiting(self) -> int:
        try:
            with RawState(self._state) as state:
                return self._feed.samples - photos(state).total() - state.count("rejects")
        except StateError:
            return self._feed.samples  # the first start has not made it yet

    def _strike(self) -> None:
        if self._daemon.exit_code() is None:
            self._chaos.strike()

    def _look(self, now: float) -> None:
        code = self._daemon.exit_code()
        if code is not None:
            self._exits["killed" if code < 0 else f"ended by itself with exit code {code}"] += 1
            self._start()
            return
        if now - self._looked < _LOOK_S:
            return
        self._looked = now
        self._sampler.look(self._daemon.processes(), now)
        found = {name: float(value) for name, value in _METRIC.findall(self._daemon.scrape())}
        self._totals["most batches in flight"] = max(
            self._totals["most batches in flight"], int(found.pop("shapelode_in_flight_batches", 0))
        )
        self._metrics = found or self._metrics

    def _collect(self) -> None:
        # Counters start anew with each daemon.
        for name, value in self._metrics.items():
            self._totals[name] += round(value)
        self._metrics = {}

    def _line(self, minute: float) -> str:
        faults = sum(self._chaos.counts.values()) + sum(self._chaos.at_points().values())
        last = {sample.kind: sample.memory for sample in self._sampler.samples[-8:]}
        memory = ", ".join(f"{kind} {size:.0f} MiB" for kind, size in sorted(last.items()))
        return (
            f"minute {minute:.0f}: {self._feed.samples} samples fed, {faults} faults, {self._starts} starts; {memory}"
        )

    def judge(self) -> list[str]:
        """Runs to the end of the input without faults and counts; what is lost or wrong, one a line."""
        self._collect()
        losses = self._drained()
        report = check_state(self._state)
        losses += [f"{finding.check}: {finding.what}" for finding in report.errors]
        with RawState(self._state) as state:
            keys, images = photos(state), state.count("samples")
            refused = Counter(
                (record["shard"], record["key"])
                for _, record in state.records("rejects")
                if record["reason"] not in _WHOLE_SHARD
            )
        seen = keys + refused
        losses += [f"{place} was taken in {times} times" for place, times in seen.items() if times > 1]
        if len(seen) != self._feed.samples:
            losses.append(f"{self._feed.samples} samples were written, {len(seen)} are stored or refused")
        losses += [f"never fired: {kind}" for kind in self._chaos.unfired()]
        losses += [f"left running: {title}" for title in leftovers()]
        self._totals["images"], self._totals["refused"] = images, len(refused)
        return losses

    def _drained(self) -> list[str]:
        # A machine busy with other things may not even start Ray in the time that Ray allows itself.
        for _ in range(_LAST_RUNS):
            code = self._daemon.finish(60 * max(10.0, self._settings.minutes))
            if not code:
                return []
            self._exits[f"last run ended with exit code {code}"] += 1
        return [f"the last run ended with exit code {code}, {_LAST_RUNS} times"]

    def slopes(self) -> list[tuple[str, str, Slope]]:
        """Kind of process, unit and slope of everything that was seen for long enough."""
        units = (("memory", "MiB"), ("handles", "file handles"), ("threads", "threads"))
        found = [
            (kind, unit, self._sampler.slope(kind, name, self._flat_from))
            for kind in self._sampler.kinds()
            for name, unit in units
        ]
        return [(kind, unit, slope) for kind, unit, slope in found if slope is not None]

    def facts(self) -> dict[str, str | int | float]:
        """Settings and counts."""
        return {
            "seed": self._settings.seed,
            "minutes": self._settings.minutes,
            "samples": self._feed.samples,
            "starts": self._starts,
            **self._totals,
            **self._exits,
        }

    def fired(self) -> Counter[str]:
        """How often each kind of fault came."""
        return self._chaos.counts + self._chaos.at_points()


def photos(state: RawState) -> Counter[tuple[str, str]]:
    """How often each photo, by shard and key, is stored: a photo of several objects has an image for each."""
    first = (record for _, record in state.records("samples") if not record.get("object", 0))
    return Counter((record["shard"], record["key"]) for record in first)


def run(settings: Settings, keep: Path | None, tell: Tell) -> Outcome:
    """Soaks the daemon.

    Args:
        settings: how long and how hard.
        keep: folder for state, shards and log; a temporary one if None.
        tell: told of progress, a line each.

    Raises:
        StateError: the daemon does not come up any more.
    """
    with TemporaryDirectory(prefix="shapelode-soak") as temporary:
        soak = Soak(keep or Path(temporary), settings, tell)
        soak.run()
        losses = soak.judge()
        title = TITLE if settings.kills else CALM_TITLE
        return Outcome(losses, soak.fired(), soak.slopes(), soak.facts(), title)
