"""A few hundred mutated files in every run of the tests; the command tries thousands."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from index.stream.decode import decode_image
from ops.bench import fuzz
from ops.bench.fuzz import campaign, cases
from ops.bench.fuzz.cases import Case, file_of, name_of, run_case, whole_before
from ops.bench.fuzz.corpus import images, tars
from ops.bench.fuzz.mutate import mutate

SEED = 6


def test_everything_that_is_mutated_can_be_read_whole(tmp_path: Path) -> None:
    for name, data in images().items():
        assert decode_image(data, 64)[0].shape in ((40, 48, 3), (48, 40, 3)), name
    for data in tars().values():
        assert len(whole_before(data, data)) in (0, 6)


def test_some_hundreds_of_mutated_files_cost_nothing() -> None:
    told: list[str] = []
    section, losses = fuzz.run(fuzz.Settings(300, SEED), told.append)
    assert losses == [] and section.losses == 0, f"seed {SEED}: {told}"
    assert section.fired == 300
    kinds = {f"{row.fault} {row.where}" for row in section.rows}
    assert kinds >= {"mutated tar pax", "mutated tar gzip", "mutated image jpeg cmyk", "mutated image gif animated"}
    facts = " ".join(section.facts)
    assert all(outcome in facts for outcome in ("read", "truncated_tar", "broken_image", "too_large"))


def test_a_case_is_decided_by_its_number_and_seed() -> None:
    files = {file_of(number, SEED) for number in range(50)}
    assert files == {file_of(number, SEED) for number in range(50)} and len(files) > 40
    assert files != {file_of(number, SEED + 1) for number in range(50)}


def test_mutations_change_files() -> None:
    data = tars()["ustar"]
    changed = [mutate(random.Random(seed), data, [data]) != data for seed in range(50)]
    assert sum(changed) > 40


@pytest.mark.parametrize(
    ("breakage", "outcome"), [("os.kill(os.getpid(), 11)", "crashed"), ("while True: pass", "hung")]
)
def test_a_reader_that_breaks_is_a_loss_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, breakage: str, outcome: str
) -> None:
    script = (
        "import os\n"
        "from ops.bench.fuzz import child\n"
        "real = child.run_case\n"
        "def rigged(number, seed, folder):\n"
        "    if number == 1:\n"
        f"        {breakage}\n"
        "    return real(number, seed, folder)\n"
        "child.run_case = rigged\n"
        "child.main()\n"
    )
    popen = subprocess.Popen
    monkeypatch.setattr(
        campaign.subprocess, "Popen", lambda command, **options: popen([command[0], "-c", script], **options)
    )
    section, losses = campaign.run(campaign.Settings(3, SEED, cpu_s=1.0), lambda line: None)
    assert [(case.number, case.outcome) for case in losses] == [(1, outcome)]
    assert section.fired == 3 and section.losses == 1


def test_an_exception_that_is_no_refusal_is_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise KeyError("what")

    monkeypatch.setattr(cases, "decode_image", breaks)
    monkeypatch.setattr(cases, "read_samples", breaks)
    assert run_case(0, SEED, tmp_path).outcome == "escaped"


def test_what_lies_before_the_damage_is_known(tmp_path: Path) -> None:
    data = tars()["ustar"]
    middle = data.index(b"a/0003.png")
    broken = data[: middle + 148] + b"xxxxxxxx" + data[middle + 156 :]
    assert whole_before(data, broken) == ["a/0000", "a/0001"]
    assert isinstance(run_case(0, SEED, tmp_path), Case) and name_of(0, SEED)
