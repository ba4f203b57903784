"""Processes that embed, as seen from outside: paused and let go on, counted, and asked for their processor time."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

from ops.errors import StateError

_POLL_S = 0.1  # a look at a daemon costs it some milliseconds
_KINDS = (
    (re.compile(r"^ray::(ShardReader|Embedder|Miner)"), None),
    (re.compile(r"index\.stream\.decode_worker"), "decoder"),
    (re.compile(r"daemon\.cli"), "daemon"),
)


class Side:
    """A command and all processes it starts; it runs from the beginning until it is paused.

    Attributes:
        done: images it had done when it was last looked at.
    """

    def __init__(self, name: str, command: list[str], count: Callable[[], int], log: Path) -> None:
        """Starts it.

        Args:
            name: what it is called in the report.
            command: arguments of our Python.
            count: images it has done.
            log: file for what it says.
        """
        self.name = name
        self._count = count
        self._log = log
        self.done = 0
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, *command], stdout=file, stderr=file, env=environment, stdin=subprocess.DEVNULL
            )

    def wait_until(self, images: int, seconds: float) -> None:
        """Waits until so many images are done, or it has ended.

        Raises:
            StateError: it takes too long.
        """
        deadline = time.monotonic() + seconds
        while self.look() < images and not self.ended():
            if time.monotonic() > deadline:
                raise StateError(f"{self.name}: {self.done} of {images} images after {seconds:.0f} s; {self._told()}")
            time.sleep(_POLL_S)

    def look(self) -> int:
        """Images done by now."""
        self.done = max(self.done, self._count())  # a daemon that ends does not answer
        return self.done

    def ended(self) -> bool:
        """It is through, or has failed."""
        return self._process.poll() is not None

    def check(self) -> None:
        """Nothing, unless it has failed.

        Raises:
            StateError: it has.
        """
        if self._process.poll():
            raise StateError(f"{self.name} ended with {self._process.returncode}; {self._told()}")

    def _told(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f"the last it said: {lines[-1][:300] if lines else 'nothing'}"

    def processes(self) -> list[psutil.Process]:
        """All of its processes."""
        try:
            first = psutil.Process(self._process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def pause(self) -> None:
        """Stops all processes."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets all processes go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def busy(self) -> dict[str, float]:
        """Seconds of processor time so far, by kind of process."""
        found: defaultdict[str, float] = defaultdict(float)
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                found[_kind(process)] += times.user + times.system
        return dict(found)

    def close(self) -> None:
        """Ends all processes."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()


def _kind(process: psutil.Process) -> str:
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return "other"
    for pattern, kind in _KINDS:
        if found := pattern.search(line):
            return kind or found[1].lower()
    return "other"


def scraped(url: str) -> int:
    """Images that a daemon has stored or refused; 0 while its port does not answer."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return 0
    wanted = {"shapelode_images_total", "shapelode_rejects_total"}
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return round(sum(sample.value for sample in samples if sample.name in wanted))
