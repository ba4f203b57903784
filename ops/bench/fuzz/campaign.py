"""Runs cases in children, replaces children that die or hang, and counts."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from ops.bench.fault_table import FaultRow, FaultSection
from ops.bench.fuzz.cases import Case, Request, name_of
from ops.bench.fuzz.child import MEMORY_BYTES

Tell = Callable[[str], None]
_TELL_S = 10.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is tried.

    Attributes:
        cases: mutated files.
        seed: decides all of them.
        first: number of the first, to run one again.
        cpu_s: processor time one file may take.
    """

    cases: int = 12_000
    seed: int = 0
    first: int = 0
    cpu_s: float = 30.0


def run(settings: Settings, tell: Tell) -> tuple[FaultSection, list[Case]]:
    """Runs all cases; the section of the docs, and the cases that are losses."""
    tried: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    losses: list[Case] = []
    told = time.monotonic()
    for case in _cases(settings):
        tried[case.kind] += 1
        outcomes[case.outcome] += 1
        if case.loss:
            losses.append(case)
            tell(f"case {case.number} ({case.kind}): {case.loss}")
        if time.monotonic() - told > _TELL_S:
            told = time.monotonic()
            tell(f"{tried.total()} of {settings.cases} files, {len(losses)} losses")
    return _section(settings, tried, outcomes, losses), losses


def _cases(settings: Settings) -> Iterator[Case]:
    todo = list(range(settings.first, settings.first + settings.cases))
    with tempfile.TemporaryDirectory() as folder:
        while todo:
            for case in _child(Request(settings.seed, list(todo), folder), settings.cpu_s):
                todo.pop(0)
                yield case


def _child(request: Request, cpu_s: float) -> Iterator[Case]:
    """Cases of one child; the last is a loss if it did not live to the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.bench.fuzz.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    done = 0
    try:
        with process.stdin as pipe:
            pipe.write(msgspec.json.encode(request))
        for line in _lines(process, process.stdout.fileno(), cpu_s):
            done += 1
            yield msgspec.json.decode(line, type=Case)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    if done < len(request.numbers):
        number = request.numbers[done]
        died = process.returncode != -signal.SIGKILL
        why = f"the reader died with {process.returncode}" if died else f"it took over {cpu_s:g} s"
        yield Case(number, name_of(number, request.seed), "crashed" if died else "hung", why)


def _lines(process: subprocess.Popen[bytes], output: int, cpu_s: float) -> Iterator[bytes]:
    """Lines of a child until it ends, or takes too long over one."""
    rest = b""
    used = _cpu_s(process.pid)
    while True:
        ready, _, _ = select.select([output], [], [], 1.0)
        if not ready:
            if _cpu_s(process.pid) - used > cpu_s:
                return
            continue
        data = os.read(output, 2**16)
        if not data:
            process.wait()
            return
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
        used = _cpu_s(process.pid)


def _cpu_s(pid: int) -> float:
    # Of the processor rather than the clock: a busy machine is no hang.
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _section(settings: Settings, tried: Counter[str], outcomes: Counter[str], losses: list[Case]) -> FaultSection:
    lost = Counter(case.kind for case in losses)
    rows = [
        FaultRow(f"mutated {kind.partition(' ')[0]}", kind.partition(" ")[2], count, lost[kind])
        for kind, count in sorted(tried.items())
    ]
    facts = [
        "Mutations: flipped bits, extreme numbers, truncations, cuts, repeats, noise, splices, and fields of tar "
        "headers and PNG chunks with their checksums mended.",
        f"A loss is a crash, over {settings.cpu_s:g} s of processor time, over {MEMORY_BYTES // 2**20} MiB, an "
        "exception that is no refusal, or a sample before the first damaged byte of a tar that does not come back.",
        "Outcomes: " + ", ".join(f"{name} {count}" for name, count in outcomes.most_common()) + ".",
    ]
    command = f"python -m ops.bench fuzz --cases {settings.cases} --seed {settings.seed}"
    return FaultSection("Mutated tars and images", command, facts, rows)
