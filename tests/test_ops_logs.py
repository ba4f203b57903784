from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from daemon.display import LogLines
from daemon.telemetry import Telemetry
from index.jobs import PublishReport
from index.stream.batch import BatchHeader
from ops.logs import FIELDS, LogOptions, LogStream, get_logger, setup_logging
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
    setup_logging(LogOptions("info", "json"))
    get_logger("recon").warning("cluster %d\nbroke", 3, extra={"cluster": 3, "job": "3.1", "seconds": 1.5})
    (line,) = lines(capsys)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning", "logger": "shapelode.recon", "message": "cluster 3\nbroke", "cluster": 3, "job": "3.1",
        "seconds": 1.5,
    }  # fmt: skip


def test_a_traceback_is_a_key_too(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(LogOptions("info", "json"))
    try:
        raise ValueError("twice\nbroken")
    except ValueError:
        get_logger("x").exception("it broke")
    (line,) = lines(capsys)
    assert line["traceback"].endswith("ValueError: twice\nbroken")


def test_pretty_is_for_people_and_levels_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(LogOptions("warning", "pretty"))
    get_logger("x").info("unheard")
    get_logger("x").error("heard", extra={"cluster": 3})
    assert capsys.readouterr().err.rstrip().endswith("ERROR   shapelode.x: heard")


def test_what_is_printed_becomes_a_record_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(LogOptions("info", "json"))
    stream = LogStream(get_logger("ray"))
    for written in ("(raylet) it died: killed\n\tby a signal", "\n", "\n", "begun"):  # as `print` does
        stream.write(written)
    told = [(line["level"], line["logger"], line["message"]) for line in lines(capsys)]
    assert told == [("warning", "shapelode.ray", "(raylet) it died: killed\n\tby a signal")]


def test_every_refused_image_is_told_by_its_key_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(LogOptions("debug", "json"))
    Telemetry().batch(BatchHeader("crawl/0.tar", 0, 8, True, 0, 0.2), report())
    (line,) = lines(capsys)
    assert (line["image"], line["shard"], line["reason"]) == ("k7", "crawl/0.tar", "too_small")
    setup_logging(LogOptions("info", "json"))
    Telemetry().batch(BatchHeader("crawl/0.tar", 0, 8, True, 0, 0.2), report())
    assert lines(capsys) == []


def test_a_reconstruction_that_ended_is_told_with_its_job(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(LogOptions("info", "json"))
    LogLines(Telemetry()).event(PublishReport(3, "published", 2, 0.25, True, 12.0, "better", part=1, attempt=4))
    (line,) = lines(capsys)
    assert {name: line[name] for name in FIELDS if name in line} == {
        "cluster": 3, "job": "1/3.5", "version": 2, "outcome": "published", "reason": "better", "seconds": 12.0,
    }  # fmt: skip


def test_fields_do_not_collide_with_what_logging_keeps_itself() -> None:
    kept = logging.LogRecord("x", logging.INFO, "", 0, "", (), None).__dict__
    assert not set(FIELDS) & set(kept)
