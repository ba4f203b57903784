"""The deck of faults, with a daemon, a feed and peers that only remember what was done to them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from ops.bench.soak.faults import Chaos
from ops.faults import POINTS, Plan


class Remembers:
    """Stands for the daemon, the feed and the peers."""

    api = metrics = "http://127.0.0.1:1"

    def __init__(self, processes: dict[str, list[psutil.Process]] | None = None) -> None:
        self.done: list[str] = []
        self._processes = processes or {}

    def processes(self) -> dict[str, list[psutil.Process]]:
        return self._processes

    def kill(self) -> None:
        self.done.append("kill")

    def add(self, *, objects: bool, torn: bool) -> None:
        self.done.append("torn" if torn else "whole")

    def flood(self, api: str) -> None:
        raise OSError("nobody there")

    def __getattr__(self, name: str) -> object:
        return lambda *_: self.done.append(name)


def chaos(folder: Path, stand_in: Remembers, seed: int = 0) -> Chaos:
    return Chaos(stand_in, stand_in, stand_in, folder, seed)  # type: ignore[arg-type]


def test_every_kind_that_can_be_done_comes_before_any_comes_twice(tmp_path: Path) -> None:
    stand_in = Remembers()
    dealt = chaos(tmp_path, stand_in)
    kinds = [kind for kind in (dealt.strike() for _ in range(13)) if kind]
    assert len(kinds) == len(set(kinds)) == 5  # no actors to kill or freeze here, and nobody to flood
    assert set(stand_in.done) == {"kill", "torn", "read_slowly", "ask_slowly", "scrape_and_stop"}
    assert set(dealt.counts.values()) == {1}
    assert set(dealt.unfired()) == {
        "miner killed", "embedder killed", "shardreader killed", "reconstructor killed", "miner frozen",
        "embedder frozen", "flood of connections",
    }  # fmt: skip


def test_without_kills_no_process_is_ended(tmp_path: Path) -> None:
    stand_in = Remembers()
    spared = Chaos(stand_in, stand_in, stand_in, tmp_path, 0, kills=False)  # type: ignore[arg-type]
    for _ in range(20):
        spared.strike()
    assert "kill" not in stand_in.done and {"torn", "read_slowly"} <= {*stand_in.done}
    assert spared.unfired() == ["miner frozen", "embedder frozen", "flood of connections"]


def test_an_actor_is_really_killed(tmp_path: Path) -> None:
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    dealt = chaos(tmp_path, Remembers({"miner": [psutil.Process(victim.pid)]}))
    while "miner killed" in dealt.unfired():
        dealt.strike()
    assert victim.wait(10) == -9


def test_the_same_seed_deals_the_same_and_plans_name_points_that_exist(tmp_path: Path) -> None:
    one, other = chaos(tmp_path, Remembers(), 5), chaos(tmp_path, Remembers(), 5)
    assert [one.strike() for _ in range(20)] == [other.strike() for _ in range(20)]
    plans: list[Plan] = [one.plan() for _ in range(30)]
    assert plans == [other.plan() for _ in range(30)]
    assert {fault.point for plan in plans for fault in plan.faults} <= set(POINTS)
    assert {fault.action for plan in plans for fault in plan.faults} == {"kill", "os_error", "sleep", "clock"}
    assert not one.at_points()
