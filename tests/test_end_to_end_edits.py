"""People change the library of a running daemon: its writer does it, and a query finds it so."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from daemon.client import Client
from index.curation import ImageEdit
from ops.fsck import check_state
from ops.synth.shards import write_shards
from tests.test_end_to_end import command, shapelode

OPTIONS = ["--follow", "--no-metrics", "--port", "0", "--set", "stream.batch_size=8", "--set", "recon.enabled=false"]
WAIT_S = 180
IMAGES = 12


def test_the_shell_and_the_client_ask_the_daemon(tmp_path: Path) -> None:
    shards, state = (
        write_shards(tmp_path / "crawl", shapes=1, views=IMAGES, seed=1, per_shard=IMAGES),
        tmp_path / "state",
    )
    with subprocess.Popen(
        command("run", "--shards", str(shards), "--state", str(state), *OPTIONS), stderr=subprocess.PIPE, text=True
    ) as daemon:
        try:
            with Client(_place(state, daemon)) as client:
                deadline = time.monotonic() + WAIT_S
                while client.status().images < IMAGES and time.monotonic() < deadline:
                    time.sleep(0.2)
                assert client.status().images == IMAGES
                done = shapelode("delete", "--image", "3", "--yes", "--json", "--state", str(state))
                assert json.loads(done.stdout) == {"changed": True, "images": 1}, done.stderr
                assert client.status().images == IMAGES - 1
                assert client.edit(ImageEdit((1,), "quarantine")).changed and client.image(1).quarantined
        finally:
            daemon.terminate()
            told = daemon.communicate(timeout=WAIT_S)[1]
    assert daemon.returncode == 0, told
    assert check_state(state).findings == [] and not (state / "api.json").exists()


def _place(state: Path, daemon: subprocess.Popen[str]) -> str:
    deadline = time.monotonic() + WAIT_S
    while not (state / "api.json").exists() and time.monotonic() < deadline:
        assert daemon.poll() is None, "the daemon ended"
        time.sleep(0.1)
    url: str = json.loads((state / "api.json").read_text())["url"]
    return url
