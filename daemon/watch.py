"""A look at what no report tells: memory of the processes, space on the disk."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from actors.answers import Handle, Ref, get, wait
from actors.crew import Crew
from actors.resources import resident_bytes
from daemon.telemetry import Telemetry
from ops.errors import WorkerError


class MemoryWatch:
    """Asks every actor for its memory, waiting for none: a reconstructor answers when its job is done."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._asked: dict[Handle, Ref] = {}
        self._known: dict[Handle, int] = {}

    def look(self) -> dict[str, int]:
        """Resident bytes by kind of process, of each process as it last answered."""
        kinds = self._kinds()
        members = [actor for actors in kinds.values() for actor in actors]
        self._forget_all_but(members)
        for actor in members:
            self._ask(actor)
        known = {kind: sum(self._known.get(actor, 0) for actor in actors) for kind, actors in kinds.items()}
        return {"daemon": resident_bytes(), **known}

    def _kinds(self) -> dict[str, list[Handle]]:
        crew = self._crew
        return {
            "reader": list(crew.readers),
            "embedder": list(crew.embedders),
            "miner": [crew.miner],
            "reconstructor": list(crew.reconstructors),
        }

    def _forget_all_but(self, members: list[Handle]) -> None:
        for actor in [actor for actor in self._asked if actor not in members]:
            del self._asked[actor]
            self._known.pop(actor, None)

    def _ask(self, actor: Handle) -> None:
        if actor not in self._asked:
            self._asked[actor] = actor.memory.remote()
        elif wait([self._asked[actor]], 0.0):
            with suppress(WorkerError):  # it has just died; the next answer is of the one that took its place
                self._known[actor] = get(self._asked[actor])
            del self._asked[actor]


class Watch:
    """Looks at the machine a daemon runs on, whenever it is called."""

    def __init__(self, folder: Path, crew: Crew, telemetry: Telemetry) -> None:
        self._folder = folder
        self._memory = MemoryWatch(crew)
        self._telemetry = telemetry

    def __call__(self) -> None:
        """Looks once, and tells what is seen."""
        self._telemetry.memory(self._memory.look())
        self._telemetry.disk_free(shutil.disk_usage(self._folder).free)
