"""What is published is better than what was; the rest is kept, with figures and a reason."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

from index.library import open_library
from ops.fsck import check_state
from tests.batches import open_ingest
from tests.states import EAGER, due_job, restless, shape_of


def test_the_level_of_published_versions_never_rises_whatever_results_come(tmp_path: Path) -> None:
    rng = random.Random(7)
    ingest = open_ingest(tmp_path)
    for one in restless("/a.tar", 160, 32):
        ingest.commit(one)
    shape = due_job(ingest).cluster
    wanted: list[str] = []
    tars = iter(range(40))
    for turn in range(12):
        while shape not in {job.cluster for job in ingest.due(EAGER).jobs}:
            tar = next(tars)
            for one in restless(f"/{tar}.tar", 32, 32, seed=160 + 32 * tar):
                ingest.commit(one)
        given = ingest.recon_input(due_job(ingest, shape, EAGER), EAGER)
        loss, baseline = rng.uniform(0.2, 0.6), rng.uniform(0.2, 0.6)
        report = ingest.publish(shape_of(given, loss, baseline))
        better = not turn or (given.held_out and loss < baseline)
        wanted.append("published" if better else "candidate")
        assert report.outcome == wanted[-1] and report.reason
    ingest.close()
    library = open_library(tmp_path)
    versions = library.versions(shape)
    library.close()
    assert [version.outcome for version in versions] == wanted and set(wanted) == {"published", "candidate"}
    levels = [version.level for version in versions if version.outcome == "published"]
    assert len(levels) > 3 and all(after < before for before, after in pairwise(levels))
    assert check_state(tmp_path).clean
