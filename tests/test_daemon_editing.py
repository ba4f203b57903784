"""Edits reach whoever may write: the daemon that runs, or nobody else."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.access import Access, Token
from daemon.api.server import ApiServer
from daemon.cli.entry import run_command
from daemon.client import Client
from daemon.editing import announced, submit
from index.curation import ClusterDeletion, ClusterEdit, ImageEdit, SourceEdit
from index.library import open_library
from index.lock import FileLock
from ops.errors import ConfigError, NotFoundError, ShapelodeError, StateBusyError, StateError
from ops.fsck import check_state
from tests.batches import open_ingest, stream
from tests.states import EAGER, SHAPED, busy_state, due_job, restless, shape_of
from tests.test_daemon_client import Recorder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    ingest = open_ingest(tmp_path / "state")
    for one in stream("/a.tar", 80, 16):
        ingest.commit(one)
    ingest.close()
    return tmp_path / "state"


@pytest.fixture
def running(state: Path) -> Iterator[tuple[Path, Recorder]]:
    """A daemon as others see it: it holds its lock and tells where its API is."""
    recorder = Recorder()
    access = Access(Token("secret" * 4))
    with (
        FileLock(state / "daemon.lock"),
        ApiServer(state, port=0, access=access, edit=recorder) as server,
        announced(state, server.url),
    ):
        yield state, recorder


def test_without_a_daemon_it_is_written_here(state: Path) -> None:
    assert submit(state, ClusterEdit(1, "a name")).changed
    assert submit(state, ImageEdit((3,), "delete")).images == 1
    with pytest.raises(NotFoundError):
        submit(state, ClusterEdit(99, "a name"))
    library = open_library(state)
    assert library.cluster(1).name == "a name" and library.status().images == 79
    library.close()
    assert check_state(state).findings == []


def test_a_daemon_is_asked_with_its_token(running: tuple[Path, Recorder]) -> None:
    state, recorder = running
    edit = SourceEdit("/a.tar", "quarantine")
    assert submit(state, edit, "secret" * 4).images == 3
    assert recorder.edits == [edit]
    with pytest.raises(ConfigError, match="token"):
        submit(state, edit)


def test_a_daemon_without_an_api_is_told_of(state: Path) -> None:
    with FileLock(state / "daemon.lock"), pytest.raises(StateBusyError, match="serves no API"):
        submit(state, ClusterDeletion(1))


def test_a_mistyped_directory_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no Shapelode state"):
        submit(tmp_path / "typo", ClusterDeletion(1))
    assert not (tmp_path / "typo").exists()


def test_what_was_announced_goes_with_the_daemon(state: Path) -> None:
    with announced(state, "http://x"):
        assert json.loads((state / "api.json").read_text()) == {"url": "http://x"}
    assert not (state / "api.json").exists()


def test_a_server_alone_writes_and_listeners_hear_of_it(state: Path) -> None:
    with ApiServer(state, port=0) as server, Client(server.url) as client:
        before = client.moment().id
        events = client.events(since=before - 1)
        assert next(events).id == before, "what happened before is told first"
        assert client.edit(ClusterEdit(1, "a name")).changed
        told = next(events)
        assert (told.id, told.kind, told.cluster, told.detail) == (before + 1, "edited", 1, "named 'a name'")
        assert client.cluster(1).name == "a name"
        with pytest.raises(NotFoundError, match="cluster 99"):
            client.edit(ClusterEdit(99, "a name"))
        events.close()  # type: ignore[attr-defined]
    assert check_state(state).findings == []


def test_listeners_are_bounded_and_forgotten_when_they_leave(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.api.changes._MOST_STREAMS", 1)
    with ApiServer(state, port=0) as server, Client(server.url) as client, Client(server.url) as other:
        events = client.events(since=0)
        assert next(events).id == 1
        with pytest.raises(ShapelodeError, match="listening already"):
            next(other.events())
        events.close()  # type: ignore[attr-defined]
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                assert next(other.events(since=1)).id == 2
                return
            except ShapelodeError:
                time.sleep(0.1)
    raise AssertionError("the one who left still takes the place")


def test_pages_of_other_sites_may_not_write(running: tuple[Path, Recorder]) -> None:
    import httpx

    state, recorder = running
    place = json.loads((state / "api.json").read_text())["url"] + "/v1/edits"
    headers = {"Authorization": f"Bearer {'secret' * 4}", "Sec-Fetch-Site": "cross-site"}
    answer = httpx.post(place, json={"type": "cluster_deletion", "cluster": 1}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    plain = {**headers, "Sec-Fetch-Site": "same-origin", "Content-Type": "text/plain"}
    answer = httpx.post(place, content='{"type": "cluster_deletion", "cluster": 1}', headers=plain)
    assert answer.status_code == 422 and recorder.edits == []


def test_the_shell_lists_candidates_and_rolls_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = busy_state(tmp_path, edits=False)
    ingest = open_ingest(folder)
    for one in restless("/crawl/f.tar", 320, 32, seed=320):
        ingest.commit(one)
    job = due_job(ingest, SHAPED, EAGER)
    ingest.publish(shape_of(ingest.recon_input(job, EAGER), 0.5, 0.4))
    ingest.close()

    def shell(*arguments: str) -> tuple[int, str]:
        code = run_command([*arguments, "--state", str(folder)])
        out, err = capsys.readouterr()
        return code, out + err

    def versions(*arguments: str) -> list[tuple[int, str]]:
        items = json.loads(shell("shapes", *arguments, "--json")[1])["items"]
        return [(item["version"], item["outcome"]) for item in items]

    assert versions("--candidates") == [(2, "published"), (3, "candidate")] and versions() == [(2, "published")]
    assert versions(str(SHAPED), "--candidates") == [(3, "candidate")]
    assert shell("rollback", str(SHAPED), "--to", "1") == (0, "done\n")
    assert "so already" in shell("rollback", str(SHAPED), "--to", "1")[1]
    code, text = shell("rollback", str(SHAPED), "--to", "3")
    assert code == 1 and "it is a candidate" in text and text.count("\n") == 1
    assert versions("--candidates") == [(4, "published")]
    assert "rolled back" in shell("changes", "--limit", "1000")[1] and "rolled_back" in shell("lineage")[1]
    assert check_state(folder).findings == []


def test_the_shell_edits(state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))

    def shell(*arguments: str) -> tuple[int, str, str]:
        code = run_command([*arguments, "--state", str(state)])
        out, err = capsys.readouterr()
        return code, out, err

    assert shell("edit", "1", "--name", "chair", "--tag", "a", "--tag", "b", "--pin") == (0, "done\n", "")
    assert shell("edit", "1", "--name", "chair")[1] == "nothing to do, it is so already\n"
    assert "say what to change" in shell("edit", "1")[2]
    assert "chair #a #b" in shell("clusters", "--tag", "a")[1]
    assert shell("quarantine", "--image", "3", "--image", "4")[1] == "done, 2 images\n"
    assert shell("delete", "--image", "5", "--yes")[1] == "done, 1 images\n"
    assert shell("delete", "--image", "6")[0] != 0, "it asks, and the answer is no"
    assert "name one of" in shell("delete", "--yes")[2]
    code, out, _ = shell("delete", "--source", "/a.tar", "--yes", "--json")
    assert (code, json.loads(out)) == (0, {"changed": True, "images": 79})
    assert "deleted" in shell("shards")[1]
    kinds = [change["kind"] for change in json.loads(shell("changes", "--json", "--limit", "1000")[1])["items"]]
    assert kinds.count("edited") == 1 and kinds[-1] == "source_deleted"
    assert "80 images" in shell("at", "80")[1]
    assert shell("at", "yesterday")[0] == 2
    assert check_state(state).findings == []
