"""What goes wrong during a soak, drawn from a shuffled deck so that every kind comes before any comes twice."""

from __future__ import annotations

import contextlib
import errno
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import psutil

from ops.bench.soak.daemon import Daemon
from ops.bench.soak.feed import Feed
from ops.bench.soak.peers import Peers
from ops.faults import POINTS, Fault, Plan, fired

_FROZEN_S = 10.0
_PLANNED = 6
_ACTORS = ("miner", "embedder", "shardreader", "reconstructor")
_ACTIONS = ("kill", "os_error", "sleep", "clock")
_JUMPS_S = (-3600.0, 365 * 86400.0)


class Chaos:
    """Deals faults; counts what fired."""

    def __init__(
        self, daemon: Daemon, feed: Feed, peers: Peers, folder: Path, seed: int, *, kills: bool = True
    ) -> None:
        self._daemon = daemon
        self._feed = feed
        self._peers = peers
        self._folder = folder
        self._rng = Random(seed)
        self._deck: list[str] = []
        self._plans: list[Plan] = []
        self.counts: Counter[str] = Counter()
        self._kinds: dict[str, Callable[[], bool]] = {
            "daemon killed": self._kill_daemon,
            **{f"{actor} killed": lambda actor=actor: self._kill_actor(actor) for actor in _ACTORS},  # type: ignore[misc]
            "miner frozen": lambda: self._freeze("miner"),
            "embedder frozen": lambda: self._freeze("embedder"),
            "shard torn": self._tear,
            "slow reader": lambda: self._peer(lambda: self._peers.read_slowly(self._daemon.api)),
            "slow asker": lambda: self._peer(lambda: self._peers.ask_slowly(self._daemon.api)),
            "stuck scraper": lambda: self._peer(lambda: self._peers.scrape_and_stop(self._daemon.metrics)),
            "flood of connections": lambda: self._peer(lambda: self._peers.flood(self._daemon.api)),
        }

        if not kills:
            self._kinds = {kind: act for kind, act in self._kinds.items() if not kind.endswith("killed")}

    def strike(self) -> str:
        """Does the next thing in the deck; says what, empty if it could not be done now."""
        if not self._deck:
            self._deck = list(self._kinds)
            self._rng.shuffle(self._deck)
        kind = self._deck.pop()
        if self._kinds[kind]():
            self.counts[kind] += 1
            return kind
        self._deck.insert(0, kind)
        return ""

    def unfired(self) -> list[str]:
        """Kinds that have not come yet."""
        return [kind for kind in self._kinds if not self.counts[kind]]

    def plan(self) -> Plan:
        """Some faults at named points for the next start; those whose step is not reached in time do not fire."""
        log = self._folder / f"faults-{len(self._plans)}.jsonl"
        faults = tuple(self._fault() for _ in range(_PLANNED))
        self._plans.append(Plan(str(log), faults))
        return self._plans[-1]

    def _fault(self) -> Fault:
        point, action = self._rng.choice(list(POINTS)), self._rng.choice(_ACTIONS)
        number = self._rng.choice([errno.EIO, errno.ENOSPC])
        seconds = self._rng.choice(_JUMPS_S) if action == "clock" else 3.0
        return Fault(point, action, nth=self._rng.randint(1, 4), number=number, seconds=seconds)  # type: ignore[arg-type]

    def at_points(self) -> Counter[str]:
        """How often each action fired at a named point."""
        return Counter(f"{one.action} at a named point" for plan in self._plans for one in fired(plan.log))

    def _kill_daemon(self) -> bool:
        self._daemon.kill()
        return True

    def _kill_actor(self, kind: str) -> bool:
        found = self._daemon.processes().get(kind, [])
        if not found:
            return False
        with contextlib.suppress(psutil.Error):
            self._rng.choice(found).kill()
            return True
        return False

    def _freeze(self, kind: str) -> bool:
        found = self._daemon.processes().get(kind, [])
        if not found:
            return False
        with contextlib.suppress(psutil.Error):
            found[0].send_signal(signal.SIGSTOP)
            threading.Timer(_FROZEN_S, _thaw, [found[0]]).start()
            return True
        return False

    def _tear(self) -> bool:
        self._feed.add(objects=True, torn=True)
        return True

    def _peer(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except OSError:
            return False
        return True


def _thaw(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(signal.SIGCONT)
