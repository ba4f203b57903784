"""A cluster whose reconstruction keeps failing is shown with its reason, wherever one looks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from daemon.api.app import create_app
from daemon.cli.entry import run_command
from daemon.query import ImageQuery
from index.browse import Filter
from index.library import open_library
from index.stream.decode import decode_image
from ops.fsck import check_state
from tests.batches import open_ingest, stream
from tests.states import POLICY
from tests.test_daemon_query import FakeBackbone, loading

REASON = "a worker died: it was killed"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    ingest = open_ingest(tmp_path)
    for one in stream("a", 96, 16):
        ingest.commit(one)
    job = ingest.due(POLICY).jobs[0]
    ingest.fail(job, "it broke", POLICY)
    ingest.close()
    ingest = open_ingest(tmp_path)
    waiting = ingest.due(POLICY)  # the pause and the count survive a restart
    assert job.cluster not in {other.cluster for other in waiting.jobs}
    assert 0 < (waiting.retry_in_s or 0) <= POLICY.backoff_s
    ingest.fail(replace(job, attempt=1), REASON, POLICY)
    assert ingest.due(POLICY).retry_in_s is None
    ingest.close()
    return tmp_path


def test_python_and_the_api_see_it(state: Path) -> None:
    library = open_library(state)
    (found,) = library.clusters(chosen=Filter(quarantined=True)).items
    assert (found.failures, found.quarantined, found.reason) == (2, True, REASON)
    assert library.status().quarantined == 1 and len(library.clusters().items) > 1
    client = TestClient(create_app(library, ImageQuery(library, decode_image, loading(FakeBackbone(), []))))
    (shown,) = client.get("/v1/clusters?quarantined=true").json()["items"]
    assert (shown["id"], shown["reason"], shown["quarantined"]) == (found.id, REASON, True)
    assert client.get("/v1/status").json()["quarantined"] == 1
    library.close()
    assert check_state(state).clean


def test_the_shell_shows_it(state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert run_command(["status", "--state", str(state)]) == 0
    assert "clusters --quarantined" in capsys.readouterr().out
    assert run_command(["clusters", "--state", str(state), "--quarantined"]) == 0
    out = capsys.readouterr().out
    assert REASON in out and out.count("quarantined") == 1
    assert run_command(["clusters", "--state", str(state), "--quarantined", "--json"]) == 0
    assert [cluster["failures"] for cluster in json.loads(capsys.readouterr().out)["items"]] == [2]
