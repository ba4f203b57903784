"""Reads a Dockerfile, such as ours, and carries out its steps without an engine, in folders instead of an image's."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template


@dataclass(frozen=True)
class Instruction:
    """One instruction, continued lines joined."""

    name: str
    text: str


@dataclass
class Stage:
    """The instructions from one FROM to the next."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Texts of the instructions of a kind."""
        return [one.text for one in self.instructions if one.name == name]


def parse(text: str) -> list[Stage]:
    """The stages of a Dockerfile, built from what its arguments before the first stage default to."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    stages: list[Stage] = []
    given: dict[str, str] = {}
    for statement in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        name, _, rest = statement.strip().partition(" ")
        if name.upper() == "FROM":
            base, _, alias = rest.partition(" AS ")
            stages.append(Stage(Template(base).substitute(given), alias))
        elif name.upper() == "ARG" and not stages:
            argument, _, value = rest.strip().partition("=")
            given[argument] = value
        else:
            stages[-1].instructions.append(Instruction(name.upper(), rest.strip()))
    return stages


# Those of the image's folders that commands write to.
_FOLDERS = r"(?<![\w.:/])/(opt|state|usr/local/bin|etc/profile\.d)\b"


class Builder:
    """Carries out COPY and RUN of a stage below a folder, absolute paths of the image being paths in it."""

    def __init__(self, context: Path, root: Path, environment: Mapping[str, str]) -> None:
        self._context = context
        self._root = root
        self._environment = dict(environment)
        self._folder = root
        self.ran: list[str] = []

    def build(self, stage: Stage) -> None:
        """All instructions of a stage in order.

        Raises:
            AssertionError: a RUN failed; with what it said.
        """
        for one in stage.instructions:
            if one.name == "WORKDIR":
                self._folder = self._inside(one.text)
                self._folder.mkdir(parents=True, exist_ok=True)
            elif one.name == "COPY":
                self._copy(shlex.split(one.text))
            elif one.name == "ENV":
                self._environment |= dict(word.split("=", 1) for word in shlex.split(one.text))
            elif one.name == "ARG":
                name, _, value = one.text.partition("=")
                self._environment.setdefault(name, value.strip('"'))
            elif one.name == "RUN":
                self.run(one.text)
            else:
                raise ValueError(f"this builder does not know {one.name}")

    def run(self, command: str) -> None:
        """One RUN, such as one of a stage that can't be built as a whole here.

        Raises:
            AssertionError: it failed; with what it said.
        """
        inside = re.sub(_FOLDERS, lambda found: str(self._inside(found[0])), command)
        self.ran.append(inside)
        done = subprocess.run(
            ["/bin/sh", "-ec", inside], cwd=self._folder, env=self._environment, capture_output=True, text=True,
            timeout=300,
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(f"RUN {inside}: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    def _copy(self, words: list[str]) -> None:
        *sources, target = words
        for source in sources:
            path = self._context / source
            into = self._folder / target
            if path.is_dir():
                shutil.copytree(path, into, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, into / path.name if target.endswith("/") else into)

    def _inside(self, path: str) -> Path:
        return self._root / path.lstrip("/") if path.startswith("/") else self._folder / path


def exec_form(text: str) -> list[str]:
    """The words of an instruction in its exec form."""
    words: list[str] = json.loads(text)
    return words


ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
STAGES = {stage.name: stage for stage in parse((DOCKER / "Dockerfile").read_text())}
TOKEN_FILE = "SHAPELODE_API__TOKEN_FILE"


def environment(stage: str) -> dict[str, str]:
    """What an image's stage sets in the environment, that of what it is built from among it."""
    found = environment(STAGES[stage].base) if STAGES[stage].base in STAGES else {}
    for text in STAGES[stage].all("ENV"):
        found |= dict(word.split("=", 1) for word in text.split())
    return found


def settings(names: dict[str, str]) -> dict[str, str]:
    """Those that are configuration."""
    return {name: value for name, value in names.items() if name.startswith("SHAPELODE_")}
