from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient

from daemon.api.app import create_app
from daemon.client import Client
from daemon.health import Health, Phase, PipelineState
from daemon.query import ImageQuery
from daemon.telemetry import Telemetry
from index.library import open_library
from index.stream.batch import BatchHeader
from index.stream.decode import decode_image
from tests.library_factory import make_library
from tests.test_daemon_client import over
from tests.test_daemon_telemetry import report


def test_the_map_and_a_pipeline_that_does_not_run(tmp_path: Path) -> None:
    library = open_library(make_library(tmp_path))
    app = create_app(library, ImageQuery(library, decode_image))
    with Client("http://testserver", transport=over(app)) as client:
        assert [point.cluster for point in client.map().points] == [1, 2, 3]
        assert client.pipeline() == PipelineState() and not client.pipeline().running
    library.close()


def test_a_pipeline_that_runs_says_what_its_stages_are_at(tmp_path: Path) -> None:
    library = open_library(make_library(tmp_path))
    telemetry = Telemetry()
    health = Health(telemetry)
    http = TestClient(create_app(library, ImageQuery(library, decode_image), daemon_health=health))
    assert "starting" in http.get("/v1/pipeline").json()["said"]
    health.phase = Phase.RUNNING
    telemetry.batch(BatchHeader("/crawl/3.tar", 0, 8, True, 0, 0.2), report(total_images=107, index_vectors=107))
    telemetry.in_flight(4)
    telemetry.waiting(9)
    telemetry.recon_queue(5, 2)
    found = http.get("/v1/pipeline").json()
    assert found.pop("images_per_second") > 0
    assert found == {
        "running": True, "said": "the daemon is running", "shard": "/crawl/3.tar", "waiting_shards": 9, "in_flight": 4,
        "recon_queue": 5, "recon_running": 2, "stage_seconds": {"read": 0.2, "embed": 0.4, "commit": 0.1},
    }  # fmt: skip
    library.close()
