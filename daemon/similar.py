"""Which shapes are like this one: a shape of the library, or a mesh from elsewhere."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Literal, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from index.form import PACKED_BYTES, Packed, Spectra, likeness, pack, packed_rows, spectrum, unpack
from index.jobs import FORM
from index.library import Library
from index.summaries import Page, ShapeSummary
from ops.errors import ConfigError, NotFoundError, RejectError

if TYPE_CHECKING:
    from index.search import SimilaritySearch

By = Literal["form", "look"]
Up = Literal["y", "z"]
MeshFormat = Literal["glb", "obj", "ply", "stl", "off"]
MESH_FORMATS: tuple[MeshFormat, ...] = get_args(MeshFormat)
ReadForm = Callable[[bytes, MeshFormat, Up], Spectra]
_MEMORY_MIB, _CPU_S, _CLOCK_S = 1024, 20.0, 90.0
_NEAR = 100  # images of others that vote on what looks alike
_MOST_VOTES = 600


@dataclass(frozen=True, slots=True)
class SimilarShape:
    """A shape that is like another.

    Attributes:
        shape: its published version.
        form: how alike the surfaces are, 0 to 1, at the turn at which they are most alike.
        turn: degrees by which it is to be turned about its vertical to lie on the other.
        look: cosine similarity of what their images look like in the mean; None for a mesh from elsewhere.
    """

    shape: ShapeSummary
    form: float
    turn: float
    look: float | None


class SimilarShapes:
    """Compares shapes of a library by form; keeps the forms, 2 kB a shape, once they have been asked for."""

    def __init__(self, library: Library, read: ReadForm | None = None) -> None:
        """Compares nothing yet.

        Args:
            library: what is searched.
            read: reads the form of a stranger's mesh, by default in a process of its own.
        """
        self._library = library
        self._read = read or form_apart
        self._lock = Lock()
        self._turns = Lock()
        self._change = -1
        self._wanted: list[tuple[int, int]] = []
        self._shapes: list[tuple[int, int]] = []
        self._forms = packed_rows([])
        self._search: SimilaritySearch | None = None

    def to_shape(self, shape: int, version: int | None = None, by: By = "form", limit: int = 10) -> Page[SimilarShape]:
        """Shapes like one of the library, best first, on one page; itself is left out.

        Args:
            shape: its id.
            version: which of its versions; None for the published one.
            by: surfaces, or what their images look like.
            limit: shapes at most.

        Raises:
            NotFoundError: there is no such shape or version, or it has no mesh.
        """
        found = self._library.shape(shape, version)
        asked = unpack(self._form(shape, found.version))
        assert asked is not None  # what has not its length is computed anew
        shapes, forms = self._all()
        score, turn = likeness(asked, forms)
        places = {each: place for place, (each, _) in enumerate(shapes) if each != shape}
        own = self._library.looks([shape])[0]
        if by == "form":
            wanted = sorted(places, key=lambda each: -score[places[each]])[:limit]
        else:
            wanted = [each for each in self._looking_alike(own, found.images) if each in places]
        looks = self._library.looks(wanted)
        matches = [
            SimilarShape(
                self._library.shape(each), float(score[places[each]]), float(turn[places[each]]), _cosine(own, look)
            )
            for each, look in zip(wanted, looks, strict=True)
        ]
        if by == "look":
            matches.sort(key=lambda match: -(match.look if match.look is not None else -1.0))
        return Page(matches[:limit], None)

    def to_mesh(self, raw: bytes, kind: MeshFormat, up: Up = "y", limit: int = 10) -> Page[SimilarShape]:
        """Shapes like a mesh from elsewhere, best first, on one page; its place, size and turn are of no account.

        Args:
            raw: the file.
            kind: its format.
            up: its axis that points up.
            limit: shapes at most.

        Raises:
            RejectError: it can't be read, or holds no surface.
        """
        with self._turns:  # each may take a gigabyte
            asked = self._read(raw, kind, up)
        shapes, forms = self._all()
        score, turn = likeness(asked, forms)
        best = np.argsort(-score, kind="stable")[:limit]
        return Page(
            [SimilarShape(self._library.shape(shapes[at][0]), float(score[at]), float(turn[at]), None) for at in best],
            None,
        )

    def _looking_alike(self, own: NDArray[np.float32] | None, images: int) -> list[int]:
        from index.search import SimilaritySearch  # FAISS takes long to import

        if own is None:
            return []
        with self._lock:
            self._search = self._search or SimilaritySearch(self._library)
            search = self._search
        return [hit.cluster for hit in search.query(own, min(images + _NEAR, _MOST_VOTES))]

    def _all(self) -> tuple[Sequence[tuple[int, int]], Packed]:
        """Published shapes and their forms; those that were known before are not read again."""
        with self._lock:
            change = self._library.last_change()
            if change != self._change:
                wanted = self._library.published()
                if wanted != self._wanted:
                    self._read_forms(wanted)
                self._change, self._wanted = change, wanted
            return self._shapes, self._forms

    def _read_forms(self, wanted: Sequence[tuple[int, int]]) -> None:
        known = dict(zip(self._shapes, self._forms, strict=True))
        rows = [known[each].tobytes() if each in known else self._form_or_none(*each) for each in wanted]
        kept = [(each, row) for each, row in zip(wanted, rows, strict=True) if row is not None]
        self._shapes = [each for each, _ in kept]
        self._forms = packed_rows([row for _, row in kept])

    def _form_or_none(self, shape: int, version: int) -> bytes | None:
        try:
            return self._form(shape, version)
        except NotFoundError:  # deleted a moment ago
            return None

    def _form(self, shape: int, version: int) -> bytes:
        """The packed form of a version: the stored one, or for versions of before there were any that of its mesh."""
        try:
            stored = self._library.artifact(shape, FORM, version)
        except NotFoundError:
            stored = b""
        return stored if len(stored) == PACKED_BYTES else self._form_of_mesh(shape, version)

    def _form_of_mesh(self, shape: int, version: int) -> bytes:
        from daemon.export import stored_mesh

        mesh = stored_mesh(self._library, shape, version)
        return pack(spectrum(np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)))


def mesh_format(name: str) -> MeshFormat:
    """The format of a mesh by the name of its file.

    Raises:
        ConfigError: it is none that can be read.
    """
    suffix = name.rpartition(".")[2].lower()
    for kind in MESH_FORMATS:
        if suffix == kind:
            return kind
    raise ConfigError(f"{name!r} is no mesh that can be read; take one of .{', .'.join(MESH_FORMATS)}")


def form_apart(raw: bytes, kind: MeshFormat, up: Up) -> Spectra:
    """The form of a stranger's mesh, read in a process of its own that may crash, hang or run out of memory.

    Raises:
        RejectError: there is none, for whatever reason.
    """
    from daemon.mesh_worker import Answer

    command = [sys.executable, "-m", "daemon.mesh_worker", kind, up, str(_MEMORY_MIB), str(_CPU_S)]
    # Nothing of the environment but where our code is: no secret may be found where meshes are parsed.
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command,
            input=raw,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            timeout=_CLOCK_S,
            check=False,
        )
        answer = msgspec.json.decode(done.stdout, type=Answer)
    except subprocess.TimeoutExpired as error:
        raise RejectError("broken_mesh", "reading it takes too long") from error
    except msgspec.DecodeError as error:
        raise RejectError("broken_mesh", "reading it takes too long or too much memory") from error
    found = unpack(base64.b64decode(answer.form)) if answer.form else None
    if found is None or not np.isfinite(found).all():
        raise RejectError("broken_mesh", answer.reason or "it has no form")
    return found


def _cosine(one: NDArray[np.float32] | None, other: NDArray[np.float32] | None) -> float | None:
    return None if one is None or other is None else float(one @ other)
