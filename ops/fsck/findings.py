"""What the checker found, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "note"]

RESTORE = "restore a backup, or mine the shards again into a new --state"
REINDEX = "stop the daemon and delete vectors.faiss; the next run rebuilds it from the store"
UPGRADE = "check it with the version of Shapelode that wrote it"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        check: the check that found it.
        severity: ``error`` if something is wrong, ``note`` for what mends itself.
        what: what is wrong, in one line.
        todo: what to do about it, in one line.
    """

    check: str
    severity: Severity
    what: str
    todo: str


@dataclass(frozen=True, slots=True)
class FsckReport:
    """The outcome of all checks on one consistent snapshot of a state directory.

    Attributes:
        state: the directory.
        checks: names of the checks that ran.
        records: how many records each table holds, so that a check that looked at nothing shows.
        findings: the first of each check.
        counts: how many findings each check had in all.
    """

    state: str
    checks: list[str]
    records: dict[str, int]
    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def errors(self) -> list[Finding]:
        """Findings that are errors."""
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def clean(self) -> bool:
        """Nothing is wrong; notes are allowed."""
        return not self.errors


def error(check: str, what: str, todo: str = RESTORE) -> Finding:
    """A finding that something is wrong."""
    return Finding(check, "error", what, todo)


def note(check: str, what: str, todo: str) -> Finding:
    """A finding that mends itself."""
    return Finding(check, "note", what, todo)


def compare(check: str, wanted: Set[object], found: Set[object]) -> Iterator[Finding]:
    """What is missing of the entries wanted, and what there is beside them."""
    for entry in sorted(wanted - found, key=repr):
        yield error(check, f"there is no entry {entry!r:.120}")
    for entry in sorted(found - wanted, key=repr):
        yield error(check, f"there should be no entry {entry!r:.120}")
