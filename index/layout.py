"""Where a library is on disk: in one piece, or in parts, each a state directory of its own within the library's."""

from __future__ import annotations

from pathlib import Path

from ops.errors import StateError

STORE = "lmdb"
PARTS = "parts"
ROUTING = "routing.safetensors"


def part_folder(folder: str | Path, part: int) -> Path:
    """State directory of a part."""
    return Path(folder) / PARTS / str(part)


def is_parted(folder: Path) -> bool:
    """The folder holds a library in parts."""
    return (folder / PARTS).is_dir() or (folder / ROUTING).exists()


def parts_here(folder: Path) -> dict[int, Path]:
    """State directories of those parts that are on this machine, by number."""
    found = [path for path in (folder / PARTS).glob("*") if path.name.isdecimal() and _has_store(path)]
    return {int(path.name): path for path in sorted(found, key=lambda path: int(path.name))}


def _has_store(folder: Path) -> bool:
    return (folder / STORE / "data.mdb").exists()


def require_state(folder: Path) -> None:
    """Refuses a folder that holds no store.

    Raises:
        StateError: it holds none.
    """
    if _has_store(folder):
        return
    if is_parted(folder):
        raise StateError(f"{folder} is a library in parts; name one of them, such as {part_folder(folder, 0)}")
    raise StateError(f"{folder} is no Shapelode state directory; `shapelode run --state {folder}` makes one")


def check_count(folder: Path, parts: int) -> None:
    """Refuses to go on with a library in one piece in parts, or the other way round.

    Raises:
        StateError: it was begun otherwise.
    """
    if parts > 1 and _has_store(folder):
        raise StateError(f"{folder} is a library in one piece; parts.count has to be 1, or the folder another one")
    if parts == 1 and is_parted(folder):
        raise StateError(f"{folder} is a library in parts; set parts.count to their number, or use another folder")
