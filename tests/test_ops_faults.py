from __future__ import annotations

import errno
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import faults
from ops.errors import ConfigError
from ops.faults import ENV, POINTS, Fault, Plan, arm, fired, reach, read_plan

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    arm(None)


def plan(tmp_path: Path, *armed: Fault) -> Plan:
    return Plan(str(tmp_path / "fired"), armed)


def test_nothing_happens_unless_armed(tmp_path: Path) -> None:
    arm(None)
    for point in POINTS:
        reach(point)
    arm(plan(tmp_path, Fault("commit.after", "os_error")))
    reach("commit.before")
    assert fired(tmp_path / "fired") == []


def test_a_fault_fires_at_its_reach_as_often_as_it_may_and_is_recorded(tmp_path: Path) -> None:
    arm(plan(tmp_path, Fault("commit.after", "os_error", nth=2, times=2, number=errno.ENOSPC)))
    reach("commit.after")
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            reach("commit.after")
    reach("commit.after")
    assert [(f.point, f.action) for f in fired(tmp_path / "fired")] == [("commit.after", "os_error")] * 2


def test_a_fault_about_one_thing_counts_and_fires_only_there(tmp_path: Path) -> None:
    arm(plan(tmp_path, Fault("embed.before", "os_error", about="b", nth=2)))
    for about in (["a"], ["a", "b"], [], ["c"]):
        reach("embed.before", about)
    assert fired(tmp_path / "fired") == []
    with pytest.raises(OSError):
        reach("embed.before", ["b"])
    assert len(fired(tmp_path / "fired")) == 1


def test_memory_runs_out_as_armed(tmp_path: Path) -> None:
    import torch

    arm(plan(tmp_path, Fault("recon.before", "memory_error"), Fault("recon.output", "out_of_memory")))
    with pytest.raises(MemoryError):
        reach("recon.before")
    with pytest.raises(torch.OutOfMemoryError):
        reach("recon.output")
    assert [f.fault for f in fired(tmp_path / "fired")] == [0, 1]


def test_it_sleeps_as_armed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(faults.time, "sleep", slept.append)
    arm(plan(tmp_path, Fault("publish.after", "sleep", seconds=7.5)))
    reach("publish.after")
    assert slept == [7.5]


def test_a_process_is_killed_once_though_it_is_started_again(tmp_path: Path) -> None:
    armed = plan(tmp_path, Fault("read.before", nth=2))
    code = "from ops.faults import reach\nreach('read.before'); print('one'); reach('read.before'); print('two')"
    for expected, printed in ((-signal.SIGKILL, []), (0, ["one", "two"])):
        answer = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=armed.environment(), cwd=ROOT, timeout=60
        )
        assert (answer.returncode, answer.stdout.split()) == (expected, printed), answer.stderr
    assert len(fired(tmp_path / "fired")) == 1


def test_it_takes_another_process_along(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        (tmp_path / "pid").write_text(str(other.pid))
        armed = plan(tmp_path, Fault("read.before", victims=(str(tmp_path / "pid"),)))
        code = "from ops.faults import reach; reach('read.before')"
        answer = subprocess.run([sys.executable, "-c", code], env=armed.environment(), cwd=ROOT, timeout=60)
        assert answer.returncode == other.wait(60) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nonsense", "no plan of faults"),
        ('{"log": "x", "faults": [{"point": "nowhere"}]}', "no point 'nowhere'"),
        ('{"log": "x", "faults": [{"point": "read.before", "action": "explode"}]}', "no plan of faults"),
    ],
)
def test_a_wrong_plan_is_refused(value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_plan({ENV: value})


def test_a_plan_goes_through_the_environment(tmp_path: Path) -> None:
    armed = plan(tmp_path, Fault("read.before", nth=3), Fault("commit.during", "sleep", seconds=1.0))
    assert read_plan(armed.environment()) == armed
    assert read_plan({}) is None
    assert json.loads(armed.environment()[ENV])["faults"][0] == {"point": "read.before", "nth": 3}


def test_every_point_is_somewhere_in_the_code_and_every_place_has_a_name() -> None:
    packages = ("actors", "daemon", "index", "ops", "recon")
    sources = [file.read_text() for package in packages for file in ROOT.glob(f"{package}/**/*.py")]
    reached = [name for source in sources for name in re.findall(r"\breach\(\"([a-z.]+)\"[,)]", source)]
    steps = [name for source in sources for name in re.findall(r"self\._transact\(\s*\"([a-z]+)\"", source)]
    reached += [f"{step}.{moment}" for step in steps for moment in ("before", "during", "after")]
    assert sorted(reached) == sorted(POINTS)
