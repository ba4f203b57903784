"""What an actor's process tells of itself."""

from __future__ import annotations

import json
import subprocess
import sys

import psutil

from actors.resources import resident_bytes
from tests.heap import FREED, filled, needs_glibc

CLAIMS = """
from actors.resources import claim_process
from ops.logs import LogOptions, get_logger
claim_process(LogOptions("info", "json"))
get_logger("store").debug("unheard")
get_logger("store").info("the store has grown")
"""


def test_a_process_logs_what_the_daemon_would_and_in_its_format() -> None:
    done = subprocess.run([sys.executable, "-c", CLAIMS], capture_output=True, text=True, check=True, timeout=100)
    (line,) = (json.loads(line) for line in done.stderr.splitlines())
    assert (line["level"], line["logger"], line["message"]) == ("info", "shapelode.store", "the store has grown")


@needs_glibc
def test_a_process_that_is_asked_for_its_memory_has_handed_back_what_is_free() -> None:
    with filled() as let_go:
        full = psutil.Process().memory_info().rss
        let_go()
        assert full - resident_bytes() > FREED / 2
