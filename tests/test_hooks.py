"""What git runs before a commit: pre-commit with our configuration, whose hooks are targets of the Makefile."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("pre_commit", reason="pre-commit is not installed")
ROOT = Path(__file__).parents[1]
CONFIG = ROOT / ".ci" / "pre-commit.yaml"


def pre_commit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PRE_COMMIT_HOME": str(folder / "home"), "GIT_CONFIG_GLOBAL": os.devnull}
    environment = {name: value for name, value in environment.items() if name not in {"GIT_DIR", "GIT_INDEX_FILE"}}
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", *arguments], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip


def test_every_hook_is_a_target_and_nothing_is_fetched() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    repositories = yaml.safe_load(CONFIG.read_text())["repos"]
    assert [one["repo"] for one in repositories] == ["local"]
    for hook in repositories[0]["hooks"]:
        assert hook["language"] == "system" and hook["entry"].split()[-1] in targets
    assert "pre-commit install --config .ci/pre-commit.yaml" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize(("lint", "code"), [("true", 0), ("false", 1)])
def test_a_commit_passes_if_its_lint_does(lint: str, code: int, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "Makefile").write_text(f"lint:\n\t@{lint}\npage:\n\t@false\n")
    (tmp_path / "a.py").write_text("A = 1\n")
    (tmp_path / "config.yaml").write_text(CONFIG.read_text())
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    assert pre_commit(tmp_path, "validate-config", "config.yaml").returncode == 0
    done = pre_commit(tmp_path, "run", "--config", "config.yaml", "--all-files")
    assert done.returncode == code, done.stdout + done.stderr
    assert re.search(r"ruff and mypy\.+" + ("Passed" if code == 0 else "Failed"), done.stdout)
    assert re.search(r"types of the page's sources.*Skipped", done.stdout), "nothing of the page is in this commit"
