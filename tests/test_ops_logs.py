from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from daemon.telemetry import Telemetry
from index.stream.batch import BatchHeader
from ops.logs import FIELDS, get_logger, setup_logging
from tests.test_daemon_telemetry import report


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    root = logging.getLogger("shapelode")
    before = root.handlers[:], root.level, root.propagate
    yield
    root.handlers[:], root.level, root.propagate = before


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_json_is_one_object_a_line_with_the_fields_as_keys(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("info", "json")
    get_logger("recon").warning("cluster %d\nbroke", 3, extra={"cluster": 3, "job": "3.1", "seconds": 1.5})
    (line,) = lines(capsys)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning", "logger": "shapelode.recon", "message": "cluster 3\nbroke", "cluster": 3, "job": "3.1",
        "seconds": 1.5,
    }  # fmt: skip


def test_a_traceback_is_a_key_too(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("info", "json")
    try:
        raise ValueError("twice\nbroken")
    except ValueError:
        get_logger("x").exception("it broke")
    (line,) = lines(capsys)
    assert line["traceback"].endswith("ValueError: twice\nbroken")


def test_pretty_is_for_people_and_levels_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("warning", "pretty")
    get_logger("x").info("unheard")
    get_logger("x").error("heard", extra={"cluster": 3})
    assert capsys.readouterr().err.rstrip().endswith("ERROR   shapelode.x: heard")


def test_every_refused_image_is_told_by_its_key_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("debug", "json")
    Telemetry().batch(BatchHeader("crawl/0.tar", 0, 8, True, 0, 0.2), report())
    (line,) = lines(capsys)
    assert (line["image"], line["shard"], line["reason"]) == ("k7", "crawl/0.tar", "too_small")
    setup_logging("info", "json")
    Telemetry().batch(BatchHeader("crawl/0.tar", 0, 8, True, 0, 0.2), report())
    assert lines(capsys) == []


def test_fields_do_not_collide_with_what_logging_keeps_itself() -> None:
    kept = logging.LogRecord("x", logging.INFO, "", 0, "", (), None).__dict__
    assert not set(FIELDS) & set(kept)
