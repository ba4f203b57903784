"""Images decoded in processes of their own, which may crash, hang or run out of memory without harm."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from types import TracebackType

import msgspec
import numpy as np
from numpy.typing import NDArray

from index.stream.decode import REASONS
from index.stream.decode_worker import LENGTH, REQUEST, Answer
from index.stream.options import DecodeLimits
from ops.errors import RejectError, WorkerError

_MAX_HEADER = 4096
_START_S = 60.0  # importing takes a second, or many on a machine under load


class _Worker:
    """One decoding process."""

    def __init__(self, limits: DecodeLimits) -> None:
        self._limits = limits
        self._used = False
        # Nothing of the environment but where our code is: no secret may be found where images are parsed.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "index.stream.decode_worker", str(limits.memory_mib), str(limits.timeout_s)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            env={"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._input, False)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def decode(self, raw: bytes, max_side: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """Decodes one image.

        Raises:
            RejectError: it is refused.
            TimeoutError: it takes too long.
            WorkerError: the process ended, or says what no decoder says; it is of no further use.
        """
        # The CPU limit is what stops a decoder; the clock, for one that sleeps, leaves a busy machine some time.
        deadline = time.monotonic() + 2 * self._limits.timeout_s + (0 if self._used else _START_S)
        self._send(REQUEST.pack(len(raw), max_side) + raw, deadline)
        (length,) = LENGTH.unpack(self._receive(LENGTH.size, deadline))
        if length > _MAX_HEADER:
            raise WorkerError("it answers nonsense", died=False)
        answer = _parsed(self._receive(length, deadline), max_side)
        self._used = True
        if answer.reason:
            raise RejectError(answer.reason, answer.detail)
        height, width = answer.shape
        pixels = np.frombuffer(self._receive(height * width * 3, deadline), np.uint8)
        return pixels.reshape(height, width, 3), answer.size

    def _send(self, data: bytes, deadline: float) -> None:
        rest = memoryview(data)
        while rest:
            self._wait(self._input, select.POLLOUT, deadline)
            try:
                rest = rest[os.write(self._input, rest) :]
            except BrokenPipeError as error:
                raise WorkerError(self._epitaph(), died=True) from error

    def _receive(self, count: int, deadline: float) -> bytes:
        parts: list[bytes] = []
        while count:
            self._wait(self._output, select.POLLIN, deadline)
            data = os.read(self._output, count)
            if not data:
                raise WorkerError(self._epitaph(), died=True)
            parts.append(data)
            count -= len(data)
        return b"".join(parts)

    def _wait(self, descriptor: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError

    def _epitaph(self) -> str:
        code = self._process.wait()
        if code == -signal.SIGXCPU:
            raise TimeoutError
        return f"the decoder died of {signal.Signals(-code).name}" if code < 0 else f"the decoder ended with {code}"

    def close(self) -> None:
        """Ends the process."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class DecoderPool:
    """Decodes images in a few persistent processes; one that breaks is replaced. For any number of threads."""

    def __init__(self, limits: DecodeLimits, size: int = 1) -> None:
        """Sets up; a process is started when it is needed first."""
        self._limits = limits
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        self._lock = threading.Lock()
        self.replaced = 0
        for _ in range(size):
            self._idle.put(None)

    def __call__(self, raw: bytes, max_side: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """Decodes as `index.stream.decode.decode_image` does.

        Raises:
            RejectError: the image is refused; also with reasons ``decode_timeout`` and ``decoder_crashed``.
        """
        worker = self._idle.get()
        try:
            for last in (False, True):
                worker = worker or _Worker(self._limits)
                try:
                    return worker.decode(raw, max_side)
                except TimeoutError as error:
                    self._drop(worker)
                    worker = None
                    raise RejectError("decode_timeout", f"decoding takes over {self._limits.timeout_s:g} s") from error
                except WorkerError as error:
                    self._drop(worker)
                    worker = None
                    # It may have been killed for no fault of the image: a second death is the image's.
                    if last:
                        raise RejectError("decoder_crashed", str(error)) from error
            raise AssertionError("unreachable")
        except BaseException as error:
            if worker is not None and not isinstance(error, RejectError):
                self._drop(worker)  # interrupted in the middle of an answer
                worker = None
            raise
        finally:
            self._idle.put(worker)

    def _drop(self, worker: _Worker) -> None:
        with self._lock:
            self.replaced += 1
        worker.close()

    def __enter__(self) -> DecoderPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the idle processes; a later call starts others."""
        found: list[_Worker | None] = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._idle.get_nowait())
        for worker in found:
            if worker is not None:
                worker.close()
            self._idle.put(None)


def _parsed(raw: bytes, max_side: int) -> Answer:
    """An answer, checked: whoever took the decoder over may send anything."""
    try:
        answer = msgspec.msgpack.decode(raw, type=Answer)
    except msgspec.DecodeError as error:
        raise WorkerError("it answers nonsense", died=False) from error
    fits = all(0 < side <= max_side for side in answer.shape) and min(answer.size) > 0
    if not fits and answer.reason not in REASONS:
        raise WorkerError("it answers nonsense", died=False)
    return answer
