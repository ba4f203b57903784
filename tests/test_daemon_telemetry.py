from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from daemon.display import LivePanel, LogLines, describe, make_display, summary
from daemon.telemetry import Telemetry
from index.ingest import CommitReport, OpenReport
from index.jobs import PublishReport
from index.library import open_library
from index.sizes import StoreSizes
from index.stream.batch import BatchHeader
from index.totals import Figures
from ops import metrics
from ops.errors import RejectError
from tests.library_factory import make_library


def report(**changes: object) -> CommitReport:
    values: dict[str, object] = {
        "shard": "a", "cursor": 8, "stored": 7, "refused": [("k7", RejectError("too_small", "1 x 1"))],
        "lineage": {"created": 2},
        "total_images": 107, "total_rejected": 3, "clusters": 5, "outliers": 4, "shapes": 1,
        "figures": Figures(shaped=1, shapeless=4, retired=2, loss=0.5), "index_vectors": 107, "index_bytes": 9999,
        "clusterer_bytes": 8888,
        "index_recall": 0.9, "index_drift": 0.1, "index_saved": True,
        "store": StoreSizes(600, 200, 150, 50, 9000, 90000), "embed_seconds": 0.4, "seconds": 0.1,
    }  # fmt: skip
    return CommitReport(**{**values, **changes})  # type: ignore[arg-type]


def published(outcome: str = "published", version: int = 1) -> PublishReport:
    return PublishReport(3, outcome, version, 0.25, False, 12.0, "because")


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_batch_is_counted_in_progress_and_metrics() -> None:
    telemetry = Telemetry()
    before = value("shapelode_images_total"), value("shapelode_rejects_total", reason="too_small")
    telemetry.batch(BatchHeader("a", 0, 8, True, 0, 0.2), report())
    after = value("shapelode_images_total"), value("shapelode_rejects_total", reason="too_small")
    assert (after[0] - before[0], after[1] - before[1]) == (7, 1)
    progress = telemetry.progress
    assert (progress.images, progress.run_images, progress.run_rejected, progress.outliers) == (107, 7, 1, 4)
    assert progress.stage_seconds == {"read": 0.2, "embed": 0.4, "commit": 0.1}
    assert value("shapelode_store_bytes") == 1000 and value("shapelode_store_map_bytes") == 9000
    held = [value("shapelode_store_held_bytes", kind=kind) for kind in ("images", "shapes", "clusterer", "free")]
    assert held == [600, 200, 150, 50]
    assert 0 < telemetry.images_per_second() <= 7


def test_a_reconstruction_is_counted_by_outcome_and_a_first_version_is_a_shape() -> None:
    telemetry = Telemetry()
    before = value("shapelode_recon_jobs_total", outcome="candidate")
    telemetry.reconstruction(published())
    telemetry.reconstruction(published("candidate", 2))
    assert value("shapelode_recon_jobs_total", outcome="candidate") == before + 1
    assert (telemetry.progress.shapes, telemetry.progress.run_published) == (1, 1)


def test_images_that_were_handed_back_are_counted_by_what_became_of_them() -> None:
    before = [value("shapelode_handed_back_images_total", outcome=each) for each in ("moved", "outlier")]
    Telemetry().reconstruction(replace(published(), handed_back={"moved": 1, "outlier": 2}))
    after = [value("shapelode_handed_back_images_total", outcome=each) for each in ("moved", "outlier")]
    assert [late - early for early, late in zip(before, after, strict=True)] == [1, 2]


def test_what_a_reconstruction_cost_is_told_by_device_even_if_it_broke() -> None:
    telemetry = Telemetry()
    before = value("shapelode_recon_device_seconds_total", device="cuda"), broken_seconds(), finished()
    telemetry.reconstruction(replace(published(), device="cuda"))
    telemetry.reconstruction(replace(published("failed", 0), seconds=3.0))
    assert value("shapelode_recon_device_seconds_total", device="cuda") == before[0] + 12
    assert broken_seconds() == before[1] + 3 and finished() == before[2] + 1


def broken_seconds() -> float:
    return value("shapelode_recon_device_seconds_total", device="unknown")


def finished() -> float:
    return value("shapelode_recon_seconds_count", start="cold")


def test_the_library_is_told_by_state_of_its_clusters_between_batches_too() -> None:
    telemetry = Telemetry()
    telemetry.library(Figures(shaped=3, shapeless=7, retired=4, loss=0.25))
    states = {state: value("shapelode_clusters", state=state) for state in ("shaped", "shapeless", "retired")}
    assert states == {"shaped": 3, "shapeless": 7, "retired": 4}
    assert value("shapelode_library_loss_ratio") == 0.25 and telemetry.progress.shapes == 3


def test_what_earlier_runs_left_is_told_before_the_first_batch(tmp_path: Path) -> None:
    library = open_library(make_library(tmp_path))
    telemetry = Telemetry()
    figures, store = Figures(shaped=2, shapeless=1, retired=3, loss=0.4), StoreSizes(600, 200, 150, 50, 9000, 90000)
    telemetry.opened(OpenReport(library.status(), figures, store, 13, 777, 666, 0.75))
    library.close()
    assert (telemetry.progress.images, telemetry.progress.index_vectors, telemetry.progress.shapes) == (14, 13, 2)
    assert (value("shapelode_stored_images"), value("shapelode_index_vectors")) == (14, 13)
    assert (value("shapelode_index_recall_ratio"), value("shapelode_index_bytes")) == (0.75, 777)
    assert value("shapelode_clusterer_bytes") == 666
    assert (value("shapelode_store_bytes"), value("shapelode_store_limit_bytes")) == (1000, 90000)
    assert (value("shapelode_clusters", state="retired"), value("shapelode_library_loss_ratio")) == (3, 0.4)


def test_lines_tell_what_happened() -> None:
    assert "shape 3 v1 published: held-out loss 0.250" in describe(published())
    assert describe(published("candidate")) == "cluster 3: candidate: because"
    telemetry = Telemetry()
    telemetry.batch(BatchHeader("a", 0, 8, True, 0, 0.2), report())
    assert "107 images" in summary(telemetry) and "5 clusters" in summary(telemetry)


def test_a_terminal_gets_a_panel_and_a_pipe_gets_lines() -> None:
    telemetry = Telemetry()
    assert isinstance(make_display(telemetry, Console(file=io.StringIO())), LogLines)
    screen = io.StringIO()
    panel = make_display(telemetry, Console(file=screen, force_terminal=True, width=120))
    assert isinstance(panel, LivePanel)
    with panel:
        telemetry.batch(BatchHeader("crawl/0.tar", 0, 8, True, 0, 0.2), report())
        panel.event(published())
    assert "107 images" in screen.getvalue() and "shape 3 v1 published" in screen.getvalue()
