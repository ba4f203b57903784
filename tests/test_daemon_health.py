from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from daemon import telemetry as telemetry_module
from daemon.health import Health, Phase
from daemon.metrics_server import MetricsServer
from daemon.telemetry import Telemetry
from index.stream.batch import BatchHeader
from tests.batches import open_ingest, stream
from tests.test_daemon_telemetry import report, value


class Clock:
    """Stands in for the module `time`."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(telemetry_module, "time", clock)
    return clock


def running(telemetry: Telemetry) -> Health:
    health = Health(telemetry, patience_s=60.0)
    health.phase = Phase.RUNNING
    return health


def test_a_starting_daemon_is_well_and_not_ready(clock: Clock) -> None:
    health = Health(Telemetry(), patience_s=60.0)
    clock.now += 3600  # catching up with a large library may take long
    assert not health.ill() and "starting" in health.unready() and value("shapelode_ready") == 0
    health.phase = Phase.STOPPING
    assert "stopping" in health.unready()


def test_a_daemon_that_never_comes_up_is_ill_after_hours(clock: Clock) -> None:
    health = Health(Telemetry())
    clock.now += 2 * 3600
    assert not health.ill()
    clock.now += 1
    assert health.ill() == "it has been starting for 7201 s" and "starting" in health.unready()


def test_the_time_a_start_took_is_not_held_against_the_loop(clock: Clock) -> None:
    health = Health(Telemetry(), patience_s=60.0)
    clock.now += 3600
    health.runs()
    assert health.phase is Phase.RUNNING and not health.ill()
    clock.now += 61
    assert "has not turned for 61 s" in health.ill()


def test_it_is_ready_only_while_the_index_holds_every_image() -> None:
    telemetry = Telemetry()
    health = running(telemetry)
    assert not health.unready() and value("shapelode_ready") == 1
    telemetry.batch(BatchHeader("a", 0, 8, True, 0, 0.2), report(total_images=107, index_vectors=100))
    assert health.unready() == "the index lacks 7 of 107 images" and not health.ill()
    assert value("shapelode_ready") == 0
    telemetry.batch(BatchHeader("a", 0, 8, True, 0, 0.2), report(total_images=107, index_vectors=107))
    assert not health.unready()


def test_an_index_that_was_opened_and_lacks_images_is_not_ready(tmp_path: Path) -> None:
    telemetry = Telemetry()
    health = running(telemetry)
    ingest = open_ingest(tmp_path)
    ingest.commit(stream("a", 16, 16)[0])
    opened = ingest.opened()
    ingest.close()
    telemetry.opened(replace(opened, index_vectors=12))
    assert health.unready() == "the index lacks 4 of 16 images"
    telemetry.opened(opened)
    assert not health.unready()


def test_a_loop_that_hangs_is_ill_and_one_that_waits_for_its_disk_is_not(clock: Clock) -> None:
    telemetry = Telemetry()
    health = running(telemetry)
    clock.now += 50
    telemetry.held_back("no_space", 50.0)
    clock.now += 50
    assert not health.ill()
    clock.now += 11
    assert "has not turned for 61 s" in health.ill() and health.unready() == health.ill()
    telemetry.in_flight(0)
    assert not health.ill()


def test_the_metrics_port_answers_probes_without_a_token_from_the_first_moment() -> None:
    health = Health(Telemetry())
    with MetricsServer("127.0.0.1", 0, health=health) as server:
        root = server.url.removesuffix("/metrics")
        assert httpx.get(f"{root}/healthz").text == "ok\n"
        answer = httpx.get(f"{root}/readyz")
        assert answer.status_code == 503 and "starting" in answer.text
        health.phase = Phase.RUNNING
        assert httpx.get(f"{root}/readyz").status_code == 200
