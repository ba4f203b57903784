from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from ops.bench.fault_table import FaultRow, FaultSection, write_section


def section(title: str, fired: int, losses: int = 0) -> FaultSection:
    rows = [FaultRow("SIGKILL", "`commit.after`", fired, losses), FaultRow("EIO", "at each write", 2, 0)]
    return FaultSection(title, f"python -m ops.bench {title.lower()}", ["Seed 3."], rows)


def test_a_section_takes_the_place_of_the_one_with_its_title_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "faults.md"
    write_section(page, section("Kills", 5))
    write_section(page, section("Disks", 7))
    before = page.read_text()
    write_section(page, section("Kills", 11, losses=1))
    text = page.read_text()
    assert text.startswith("# Faults tried\n") and text.endswith("|\n")
    assert text.index("## Kills") < text.index("## Disks") and text.count("## ") == 2
    assert "| SIGKILL | `commit.after` | 11 | 1 |" in text and "| **all** | | **13** | **1** |" in text
    assert "| SIGKILL | `commit.after` | 5 | 0 |" not in text
    assert text.split("## Disks")[1] == before.split("## Disks")[1]
    write_section(page, section("Kills", 5))
    assert page.read_text() == before


def test_the_terminal_shows_the_same_figures() -> None:
    out = io.StringIO()
    Console(file=out, width=100).print(section("Kills", 5, losses=2).table())
    text = out.getvalue()
    assert "commit.after" in text and "Seed 3." in text
    assert [line.split("│")[-3:-1] for line in text.splitlines() if "all" in line] == [["     7 ", "      2 "]]
