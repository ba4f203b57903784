"""The capacity model: what bounds a crawl, and what follows from that."""

from __future__ import annotations

import http.server
import json
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.capacity import CODE, CODED, WHOLE, Crawl, Measured, forecast, measured
from daemon.cli.entry import run_command
from index.clustering.online_linkage import OnlineLinkage
from index.kinds import Sizes
from ops import metrics
from ops.errors import ConfigError

RUN = Measured(
    images=1000, read_s=0.01, embed_s=0.1, commit_s=0.005, recon_s=0.3, versions=0.02, jobs=25, store_bytes=20_000.0,
    store_fixed=5e6, index_bytes=4104.0, clusterer_bytes=6200.0, memory={"miner": 1e9}, held=1000,
)  # fmt: skip
CRAWL = Crawl(images=1e6, devices=10, readers=10, states=1, device_hour=2.0)
PAGE = """
shapelode_images_total 400.0
shapelode_stored_images 500.0
shapelode_stage_seconds_sum{stage="read"} 8.0
shapelode_stage_seconds_sum{stage="embed"} 40.0
shapelode_stage_seconds_sum{stage="commit"} 3.0
shapelode_stage_seconds_sum{stage="publish"} 1.0
shapelode_recon_device_seconds_total{device="cuda"} 100.0
shapelode_recon_device_seconds_total{device="unknown"} 20.0
shapelode_versions_published_total 8.0
shapelode_recon_jobs_total{outcome="published"} 8.0
shapelode_recon_jobs_total{outcome="stale"} 1.0
shapelode_store_held_bytes{kind="images"} 9e+06
shapelode_store_held_bytes{kind="shapes"} 1e+06
shapelode_store_held_bytes{kind="clusterer"} 2e+06
shapelode_store_held_bytes{kind="free"} 5e+05
shapelode_index_bytes 2.052e+06
shapelode_clusterer_bytes 2.5e+06
shapelode_process_memory_bytes{process="miner"} 7e+08
"""
WITHOUT_JOBS = "\n".join(line for line in PAGE.splitlines() if "recon_jobs" not in line)


def test_the_devices_share_what_has_to_be_done_on_them() -> None:
    found = forecast(RUN, CRAWL)
    assert found.busiest == "devices" and found.hours == pytest.approx(1e6 * 0.4 / 10 / 3600)
    assert (found.embedders, found.reconstructors) == (pytest.approx(2.5), pytest.approx(7.5))
    assert found.cost == pytest.approx(found.hours * 20) and found.versions == 20_000
    assert (found.readers_needed, found.states_needed) == (1, 1)


def test_twice_the_devices_take_half_the_time_until_something_else_is_busiest() -> None:
    half = forecast(RUN, replace(CRAWL, devices=20))
    assert half.hours == pytest.approx(forecast(RUN, CRAWL).hours / 2)
    many = forecast(RUN, replace(CRAWL, devices=1000))
    assert many.busiest == "writers" and many.hours == pytest.approx(1e6 * 0.005 / 3600)
    assert many.states_needed == 13 and many.readers_needed == 25
    again = forecast(RUN, replace(CRAWL, devices=1000, states=many.states_needed, readers=many.readers_needed))
    assert again.busiest == "devices"
    assert forecast(RUN, replace(CRAWL, devices=1000, states=13)).busiest == "readers"


def test_devices_that_do_not_share_their_work_are_as_slow_as_the_slower_kind() -> None:
    apart = replace(CRAWL, embedders=5, workers=5)
    found = forecast(RUN, apart)
    assert found.busiest == "reconstructors" and found.hours == pytest.approx(1e6 * 0.3 / 5 / 3600)
    assert found.hours > forecast(RUN, CRAWL).hours and (found.embedders, found.reconstructors) == (5, 5)
    few = forecast(RUN, replace(apart, embedders=1, workers=9))
    assert few.busiest == "embedders" and few.hours == pytest.approx(1e6 * 0.1 / 3600)


def test_disk_and_memory_are_those_of_one_state() -> None:
    one, two = forecast(RUN, CRAWL), forecast(RUN, replace(CRAWL, states=2))
    assert one.store_bytes == 2e10 + 5e6 and two.store_bytes == 1e10 + 5e6
    assert one.map_bytes > one.store_bytes / 0.9
    assert two.writer_bytes < one.writer_bytes


def test_memory_of_a_writer_grows_by_less_once_sums_are_stored_and_the_index_holds_codes() -> None:
    def writer(images: float, **changes: float) -> float:
        return forecast(replace(RUN, **changes), replace(CRAWL, images=images)).writer_bytes  # type: ignore[arg-type]

    bare = 1e9 - 1000 * (4104 + 6200)
    few = 1e9 + 2000 * (4104 + 6200)
    assert writer(500) == pytest.approx(1e9) and writer(3000) == pytest.approx(few)
    row = (6200 - 4096) / 2 + 36
    assert writer(100_000) == pytest.approx(bare + 1e5 * (4104 + row))
    assert writer(1e7) == pytest.approx(bare + 1e7 * (CODE + row))
    # A run that was as large tells itself what an image takes there.
    large = {"held": 300_000, "index_bytes": 72.0, "clusterer_bytes": 1100.0}
    assert writer(1e7, **large) == pytest.approx(1e9 + (1e7 - 3e5) * 1172)


def test_what_is_forecast_of_memory_is_what_the_writer_does() -> None:
    assert (OnlineLinkage().whole, Sizes().sq) == (WHOLE, CODED)


def test_a_run_is_read_from_its_metrics() -> None:
    run = measured(PAGE)
    assert (run.images, run.held) == (400, 500)
    assert (run.read_s, run.embed_s, run.commit_s, run.recon_s) == pytest.approx((0.02, 0.1, 0.01, 0.3))
    assert (run.store_bytes, run.store_fixed) == (20_000, 2.5e6)
    assert (run.index_bytes, run.clusterer_bytes) == (4104, 5000)
    assert run.memory["miner"] == 7e8 and run.jobs == 9


def test_how_sure_a_forecast_is_depends_on_the_jobs_it_goes_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert forecast(RUN, CRAWL).chance == pytest.approx(0.2)
    assert forecast(replace(RUN, jobs=100), CRAWL).chance == pytest.approx(0.1)
    assert forecast(replace(RUN, jobs=0), CRAWL).chance is None
    file = tmp_path / "run.prom"
    for text, told in ((PAGE, "as 9 jobs have told, by chance give or take 33%"), (WITHOUT_JOBS, "none was measured")):
        file.write_text(text)
        assert run_command(["plan", "--images", "5e9", "--metrics", str(file)]) == 0
        assert told in capsys.readouterr().out


def test_every_name_it_reads_is_a_metric() -> None:
    names = {re.split(r"[{ ]", line)[0].removesuffix("_sum") for line in PAGE.splitlines() if line}
    assert len(names) > 6 and names <= {one.name for one in metrics.definitions()}


@pytest.mark.parametrize("text", ["", "shapelode_images_total 5.0\n", PAGE.replace("400.0", "99.0")])
def test_too_small_a_run_is_nothing_to_go_by(text: str) -> None:
    with pytest.raises(ConfigError, match="100 are needed to go by"):
        measured(text)


def test_what_are_no_metrics_is_one_line() -> None:
    with pytest.raises(ConfigError, match="no metrics of a daemon"):
        measured('a{b="c" 1 2 3 x')


def test_the_command_reads_a_file_or_a_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.prom"
    file.write_text(PAGE)
    arguments = ["plan", "--images", "5e9", "--gpus", "64", "--gpu-hour", "2.5"]
    assert run_command([*arguments, "--metrics", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "bound by the readers" in printed and "store.map_size_gib at least" in printed
    page = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{page.server_port}/metrics"
        assert run_command([*arguments, "--metrics", url, "--json"]) == 0
    finally:
        page.shutdown()
        page.server_close()
    answer = json.loads(capsys.readouterr().out)
    assert answer["forecast"]["busiest"] == "readers" and answer["crawl"]["devices"] == 64


def test_embedders_and_workers_go_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.prom"
    file.write_text(PAGE)
    arguments = ["plan", "--images", "5e9", "--metrics", str(file), "--embedders", "16", "--json"]
    assert run_command(arguments) == 2 and "both --embedders and --workers" in capsys.readouterr().err
    assert run_command([*arguments, "--workers", "48"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["crawl"]["devices"] == 64 and answer["forecast"]["embedders"] == 16


@pytest.mark.parametrize("source", ["/none/run.prom", "http://127.0.0.1:1/metrics"])
def test_metrics_that_can_not_be_had_are_one_line(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["plan", "--images", "1e6", "--metrics", source]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


class Page(http.server.BaseHTTPRequestHandler):
    """Answers with a run's metrics."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
