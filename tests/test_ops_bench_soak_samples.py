from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ops.bench.soak.samples import WARM_UP_S, WINDOW_S, Sample, Sampler, anonymous, fit


def test_a_slope_is_found_whatever_level_each_process_is_at() -> None:
    first = [(float(t), 100 + t / 3600) for t in range(0, 600, 60)]
    second = [(float(t), 900 + t / 3600) for t in range(0, 300, 60)]
    found = fit([first, second])
    assert found is not None
    assert found.per_hour == pytest.approx(1.0) and found.error == pytest.approx(0.0, abs=1e-6)
    assert found.highest == pytest.approx(900 + 240 / 3600) and found.seconds == 540 + 240


def test_noise_shows_as_an_error() -> None:
    found = fit([[(float(t), 100 + (-1) ** t) for t in range(60)]])
    assert found is not None and abs(found.per_hour) < 3 * found.error


def test_nothing_to_fit_is_no_slope() -> None:
    assert fit([]) is None
    assert fit([[(5.0, 1.0), (5.0, 2.0)]]) is None


def test_processes_are_looked_at_and_those_that_ended_are_passed_over() -> None:
    sampler = Sampler()
    ended = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    gone = psutil.Process(ended.pid)
    ended.communicate()
    for now in (0.0, 10.0):
        sampler.look({"daemon": [psutil.Process(), gone]}, now)
    assert [(s.kind, s.pid, s.age) for s in sampler.samples] == [
        ("daemon", os.getpid(), 0.0),
        ("daemon", os.getpid(), 10.0),
    ]
    assert all(s.memory > 1 and s.handles > 2 and s.threads > 0 for s in sampler.samples)


def test_pages_of_a_file_do_not_count_as_memory(tmp_path: Path) -> None:
    file = tmp_path / "map"
    file.write_bytes(bytes(64 * 2**20))
    before = anonymous(os.getpid())
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped:
        assert sum(mapped[:: mmap.PAGESIZE]) == 0
        shared = psutil.Process().memory_full_info().uss / 2**20
        assert anonymous(os.getpid()) - before < 16 and shared > 64
    # Not from the heap, which may hold as much that was freed and counts already.
    with mmap.mmap(-1, 64 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        held.write(os.urandom(2**16) * 2**10)
        assert anonymous(os.getpid()) - before > 48


def test_warming_up_and_what_lies_before_a_mark_do_not_count() -> None:
    sampler = Sampler()
    old = [Sample("miner", 1, WARM_UP_S + t * WINDOW_S, 1000.0 * t, 5, 2) for t in range(5)]
    warm = [Sample("miner", 2, t * WARM_UP_S / 5, 1000.0 * t, 5, 2) for t in range(5)]
    sampler.samples = old
    mark = sampler.mark()
    sampler.samples += warm
    assert sampler.slope("miner", "memory", mark) is None
    sampler.samples += [Sample("miner", 2, WARM_UP_S + t * WINDOW_S, 7.0, 5, 2) for t in range(3)]
    found = sampler.slope("miner", "memory", mark)
    assert found is not None and found.per_hour == 0 and found.highest == 7
    assert sampler.kinds() == ["miner"]


def test_what_comes_and_goes_is_no_leak_and_what_stays_is() -> None:
    sampler = Sampler()
    ages = [WARM_UP_S + t * WINDOW_S / 4 for t in range(40)]
    floods = [200 * (n % 4 == 2) for n in range(40)]
    sampler.samples = [
        Sample("daemon", 1, age, 100.0 + age / 36, 30 + more, 9) for age, more in zip(ages, floods, strict=True)
    ]
    handles, memory = sampler.slope("daemon", "handles"), sampler.slope("daemon", "memory")
    assert handles is not None and handles.per_hour == pytest.approx(0) and handles.highest == 230
    assert memory is not None and memory.per_hour == pytest.approx(100)
