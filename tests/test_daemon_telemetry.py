from __future__ import annotations

import io
from pathlib import Path

from prometheus_client import generate_latest
from rich.console import Console

from daemon.display import LivePanel, LogLines, describe, make_display, summary
from daemon.telemetry import Telemetry
from index.ingest import CommitReport
from index.jobs import PublishReport
from index.stream.batch import BatchHeader
from ops import metrics


def report(**changes: object) -> CommitReport:
    values: dict[str, object] = {
        "shard": "a", "cursor": 8, "stored": 7, "rejects": {"too_small": 1}, "lineage": {"created": 2},
        "total_images": 107, "total_rejected": 3, "clusters": 5, "outliers": 4, "shapes": 1, "library_loss": 0.5,
        "index_vectors": 107, "index_saved": True, "store_bytes": 1000, "map_bytes": 9000,
        "embed_seconds": 0.4, "seconds": 0.1,
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
    assert value("shapelode_store_map_bytes") == 9000
    assert 0 < telemetry.images_per_second() <= 7


def test_a_reconstruction_is_counted_by_outcome_and_a_first_version_is_a_shape() -> None:
    telemetry = Telemetry()
    before = value("shapelode_recon_jobs_total", outcome="not_better")
    telemetry.reconstruction(published())
    telemetry.reconstruction(published("not_better", 2))
    assert value("shapelode_recon_jobs_total", outcome="not_better") == before + 1
    assert (telemetry.progress.shapes, telemetry.progress.run_published) == (1, 1)


def test_every_metric_has_help_and_units_in_its_name() -> None:
    text = generate_latest(metrics.REGISTRY).decode()
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# HELP")]
    assert len(names) > 20 and all(name.startswith("shapelode_") for name in names)


def test_every_metric_is_documented() -> None:
    page = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text()
    for family in metrics.REGISTRY.collect():
        assert f"`{family.name}" in page, family.name


def test_lines_tell_what_happened() -> None:
    assert "shape 3 v1 published: held-out loss 0.250" in describe(published())
    assert describe(published("not_better")) == "cluster 3: not better: because"
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
