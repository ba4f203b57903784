"""The docs: a site without warnings, whose commands and files exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from daemon.cli.app import app
from daemon.cli.entry import load_commands
from daemon.config import load_config

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MADE = {"docker/token", "tests/test_PACKAGE_MODULE.py"}  # by who follows the page


def build(folder: Path, config: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = build(tmp_path, ROOT / "ops" / "mkdocs.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("index.html")}
    assert {page.stem for page in PAGES[1:]} - {"index"} <= pages
    for page in tmp_path.rglob("*.html"):
        assert not re.search(r"<(script|img|link rel=.stylesheet.)[^>]+(src|href)=.https?:", page.read_text()), page


def test_a_broken_link_would_fail_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# A page\n\n[nowhere](none.md)\n")
    (tmp_path / "mkdocs.yml").write_text("site_name: x\ntheme: mkdocs\n")
    assert build(tmp_path / "site", tmp_path / "mkdocs.yml").returncode == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_their_options_exist(page: Path) -> None:
    load_commands()
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name, rest in re.findall(r"`?shapelode ([a-z]+)((?: [^`\n]*)?)", page.read_text()):
        if name in commands:
            options = {
                option for parameter in commands[name].params for option in (*parameter.opts, *parameter.secondary_opts)
            }
            assert set(re.findall(r"--[a-z-]+", rest.split(" #")[0])) <= options | {"--help"}, rest
        else:
            assert name in {"takes", "config"} or f"shapelode {name}" not in _code(page), name


def _code(page: Path) -> str:
    text = page.read_text()
    return "\n".join(re.findall(r"```\w*\n(.*?)```", text, re.S) + re.findall(r"`([^`\n]+)`", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_and_modules_that_are_named_exist(page: Path) -> None:
    code = _code(page)
    for path in re.findall(r"(?<![\w/.-])((?:daemon|actors|index|recon|ops|tests|docker|docs)/[\w./-]*[\w/])", code):
        assert (ROOT / path).exists() or path in MADE, path
    for module in re.findall(r"python -m (ops[\w.]*)", code):
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_configurations_that_are_shown_are_valid(page: Path, tmp_path: Path) -> None:
    shown = re.findall(r"```toml\n(.*?)```", page.read_text(), re.S)
    assert shown or page.stem != "deployment"
    for number, text in enumerate(shown):
        file = tmp_path / f"{number}.toml"
        file.write_text(text)
        load_config(file, env={})
