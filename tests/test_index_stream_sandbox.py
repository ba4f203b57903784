"""Decoding in a process of its own: as good as in this one, and whatever happens there stays there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index.stream import sandbox
from index.stream.decode import decode_image
from index.stream.options import DecodeLimits
from index.stream.sandbox import DecoderPool
from ops.errors import RejectError
from tests.tars import jpeg

LIMITS = DecodeLimits(timeout_s=20.0, memory_mib=256)


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(LIMITS) as pool:
        yield pool


def rigged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str, limits: DecodeLimits = LIMITS) -> DecoderPool:
    """A pool whose decoder runs some code on images that begin with ``!``."""
    script = (
        "import os, signal, sys, time\n"
        "from index.stream import decode_worker as worker\n"
        "real = worker.decode_image\n"
        "def rigged(raw, side):\n"
        "    if raw[:1] == b'!':\n"
        + "".join(f"        {line}\n" for line in body.splitlines())
        + "    return real(raw, side)\n"
        "worker.decode_image = rigged\n"
        "worker.main(int(sys.argv[-2]), float(sys.argv[-1]))\n"
    )
    real = subprocess.Popen

    def popen(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        return real([command[0], "-c", script, *command[-2:]], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(sandbox.subprocess, "Popen", popen)
    return DecoderPool(limits)


def pid_of(pool: DecoderPool) -> int:
    worker = pool._idle.queue[-1]
    assert worker is not None
    return worker.pid


def test_pixels_and_refusals_are_those_of_this_process(pool: DecoderPool) -> None:
    for raw in (jpeg(1), jpeg(2, (700, 300)), jpeg(3, kind="PNG"), jpeg(4, mode="CMYK")):
        (pixels, size), (expected, wanted) = pool(raw, 128), decode_image(raw, 128)
        assert np.array_equal(pixels, expected) and size == wanted
    with pytest.raises(RejectError, match="broken_image: not an image"):
        pool(b"no image", 128)
    first = pid_of(pool)
    pool(jpeg(5), 128)
    assert pid_of(pool) == first and pool.replaced == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "decoder_crashed"),
        ("os._exit(7)", "decoder_crashed"),
        ("os.write(3, b'nonsense' * 9)", "decoder_crashed"),
        ("raise KeyError(raw)", "decoder_crashed"),
        ("bytearray(2**30)", "decode_memory"),
        ("open('/etc/passwd')", "decoder_crashed"),
        ("os.write(1, b'chatter')", "broken_image"),
        ("while True: pass", "decode_timeout"),
        ("time.sleep(60)", "decode_timeout"),
        ("os.kill(os.getpid(), signal.SIGSTOP)", "decode_timeout"),
    ],
)
def test_a_decoder_that_breaks_costs_one_image(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str, reason: str
) -> None:
    if reason == "decode_memory":
        body = f"try:\n    {body}\nexcept MemoryError:\n    raise worker.RejectError('decode_memory', 'too much')"
    monkeypatch.setattr(sandbox, "_START_S", 10.0)
    limits = DecodeLimits(timeout_s=1.0 if reason == "decode_timeout" else 20.0, memory_mib=256)
    with rigged(monkeypatch, tmp_path, body, limits) as pool:
        pool(jpeg(), 64)
        before = pid_of(pool)
        with pytest.raises(RejectError) as caught:
            pool(b"!", 64)
        assert caught.value.reason == reason
        assert np.array_equal(pool(jpeg(), 64)[0], decode_image(jpeg(), 64)[0])
        assert (pid_of(pool) == before) == (reason in ("decode_memory", "broken_image"))


def test_one_death_is_forgiven_since_it_may_have_other_causes(pool: DecoderPool) -> None:
    pool(jpeg(), 64)
    os.kill(pid_of(pool), signal.SIGKILL)
    assert pool(jpeg(), 64)[1] == (64, 48)
    assert pool.replaced == 1


def test_the_decoder_knows_no_secret_and_can_open_and_write_nothing(pool: DecoderPool) -> None:
    pool(jpeg(), 64)
    with open(f"/proc/{pid_of(pool)}/environ", "rb") as file:
        names = {entry.partition(b"=")[0] for entry in file.read().split(b"\0") if entry}
    assert names <= {b"PYTHONPATH", b"OMP_NUM_THREADS", b"OPENBLAS_NUM_THREADS", b"LC_CTYPE"}
    with open(f"/proc/{pid_of(pool)}/limits") as limits:
        rows = {line[:26].strip(): line[26:].split()[0] for line in limits}
    assert rows["Max open files"] == rows["Max file size"] == rows["Max core file size"] == "0"
    assert int(rows["Max address space"]) < 4 * 2**30


def test_threads_share_a_pool(pool: DecoderPool) -> None:
    sizes: list[tuple[int, int]] = []
    threads = [threading.Thread(target=lambda: sizes.append(pool(jpeg(), 64)[1])) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [(64, 48)] * 6 and pool.replaced == 0


def test_the_decoder_ends_with_whoever_started_it() -> None:
    script = (
        "from index.stream.sandbox import DecoderPool; from index.stream.options import DecodeLimits; import os, sys\n"
        "pool = DecoderPool(DecodeLimits()); pool(open(sys.argv[1], 'rb').read(), 64)\n"
        "print(pool._idle.queue[-1].pid, flush=True); os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[1]
    picture = root / "docs/images/mined.png"
    done = subprocess.run([sys.executable, "-c", script, str(picture)], cwd=root, capture_output=True, text=True)
    pid = int(done.stdout)
    for _ in range(200):
        if not os.path.exists(f"/proc/{pid}"):
            return
        threading.Event().wait(0.05)
    pytest.fail("it outlived its parent")
