"""Routes for supervisors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from daemon.api.errors import declared
from daemon.api.params import LibraryDep
from daemon.health import Health

router = APIRouter(tags=["health"])


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign of life."""

    status: Literal["ok"] = "ok"


@router.get("/healthz", responses=declared())
def healthz(request: Request) -> Sign:
    """The process answers, and if a daemon runs in it, it starts or its control loop turns; 503 if it hangs."""
    health: Health | None = request.app.state.health
    return _sign(health.ill() if health else "")


@router.get("/readyz", responses=declared())
def readyz(request: Request, library: LibraryDep) -> Sign:
    """The library can be read, and if a daemon runs here, its index has caught up; else 503 with the reason."""
    health: Health | None = request.app.state.health
    library.status()
    return _sign(health.unready() if health else "")


def _sign(problem: str) -> Sign:
    if problem:
        raise HTTPException(503, problem)
    return Sign()
