"""Prints what pyproject.toml depends on, one line each, so that an image's largest layer needs none of the code.

Example:
    python docker/requirements.py pyproject.toml cpu > requirements.txt
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: str, extras: list[str]) -> list[str]:
    """What building and running need, with those extras."""
    content = tomllib.loads(pyproject)
    found = [*content["build-system"]["requires"], *content["project"]["dependencies"]]
    for extra in extras:
        found += content["project"]["optional-dependencies"][extra]
    return found


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in requirements(Path(sys.argv[1]).read_text(), sys.argv[2:]))
