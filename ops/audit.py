"""Are the installed packages sound? By pip-audit where it can reach its data, else by the list they were pinned to.

``python -m ops.audit`` says which of the two it did: a closed network must not look like a clean audit.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
_TOOLS = frozenset({"pip", "setuptools", "wheel", "shapelode"})
_TIMEOUT_S = 180


def normal(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """Versions by name of a list of ``name==version`` lines."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, separator, version = line.partition("#")[0].partition(";")[0].strip().partition("==")
        if separator:
            found[normal(name)] = version.strip()
    return found


def installed() -> dict[str, str]:
    """Versions by name of what is installed here, installers and ourselves aside."""
    found = {normal(each.metadata["Name"]): each.version for each in distributions() if each.metadata["Name"]}
    return {name: version for name, version in found.items() if name not in _TOOLS}


def deviations(found: Mapping[str, str], pinned: Mapping[str, str]) -> list[str]:
    """How what is installed differs from the list, one line each."""
    return [
        f"{name} {version} is installed, "
        + (f"{pinned[name]} is pinned" if name in pinned else "which is not in the list of pinned packages")
        for name, version in sorted(found.items())
        if pinned.get(name) != version
    ]


def ask_pip_audit(constraints: Path = CONSTRAINTS) -> list[str] | str:
    """Known vulnerabilities of the pinned versions, one line each; or, as text, why they could not be asked for."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(constraints), "--no-deps", "--disable-pip", "-f", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
        answer: dict[str, Any] = json.loads(done.stdout)
        packages = answer["dependencies"]
    except subprocess.TimeoutExpired:
        return f"pip-audit did not answer within {_TIMEOUT_S} s"
    except (ValueError, KeyError, TypeError):
        lines = done.stderr.strip().splitlines()
        return f"pip-audit gave no answer: {lines[-1] if lines else 'no output'}"
    return [
        f"{package['name']} {package.get('version', '?')}: {flaw['id']}"
        for package in packages
        for flaw in package.get("vulns", [])
    ]


def audit(tell: Callable[[str], None], constraints: Path = CONSTRAINTS) -> int:
    """Audits, tells what was done and found, and gives the exit status."""
    text = constraints.read_text(encoding="utf-8")
    wrong = deviations(installed(), pins(text))
    known = ask_pip_audit(constraints)
    if isinstance(known, str):
        tell(f"NOT checked for known vulnerabilities: {known}")
        tell(f"checked instead: installed packages against the {len(pins(text))} of {constraints.name}")
    else:
        tell(f"pip-audit checked the {len(pins(text))} packages of {constraints.name} for known vulnerabilities")
        wrong += known
    for line in wrong:
        tell(line)
    tell(f"{len(wrong)} findings" if wrong else "no findings")
    return 1 if wrong else 0


def main() -> int:
    """Audits, telling on standard output."""

    def tell(line: str) -> None:
        sys.stdout.write(f"audit: {line}\n")

    return audit(tell)


if __name__ == "__main__":
    sys.exit(main())
