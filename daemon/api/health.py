"""Routes for supervisors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter

from daemon.api.errors import declared
from daemon.api.params import LibraryDep

router = APIRouter(tags=["health"])


@dataclass(frozen=True, slots=True)
class Health:
    """A sign of life."""

    status: Literal["ok"] = "ok"


@router.get("/healthz", responses=declared())
def healthz() -> Health:
    """The process answers."""
    return Health()


@router.get("/readyz", responses=declared())
def readyz(library: LibraryDep) -> Health:
    """The library can be read; 503 while it can't."""
    library.status()
    return Health()
