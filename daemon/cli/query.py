"""`shapelode query`: the shapes most like an image."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, JsonOption, StateOption, app
from daemon.cli.opening import opened, opened_parts
from index.layout import is_parted
from ops.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from daemon.cli.output import Column
    from daemon.parted_query import PartedMatch
    from daemon.query import QueryMatch
    from index.summaries import Page


@app.command()
def query(
    image: Annotated[Path, typer.Argument(help="An image file, or - for standard input.")],
    state: StateOption = DEFAULT_STATE,
    limit: Annotated[int, typer.Option(min=1, max=50, help="Clusters at most.")] = 10,
    register: Annotated[
        int, typer.Option(min=0, max=10, help="To how many shapes to register it; takes seconds each.")
    ] = 0,
    overlay: Annotated[
        Path | None, typer.Option(help="PNG to write: the best shape that it was registered to, over the image.")
    ] = None,
    ask: Annotated[int, typer.Option(min=1, help="Of a library in parts: how many of them to ask.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Find the clusters and shapes most like an image, and from where it was taken.

    Examples:

      shapelode query chair.jpg --state library

      shapelode query chair.jpg --register 3 --overlay found.png

      curl -s https://example.org/chair.jpg | shapelode query - --json
    """
    raw = read_input(image)

    from daemon.cli.output import print_page
    from daemon.query import ImageQuery
    from index.stream.options import DecodeLimits
    from index.stream.sandbox import DecoderPool

    register = max(register, int(overlay is not None))
    if is_parted(state):
        found = _query_parts(state, raw, limit, register, ask)
        matches = [one.match for one in found.items]
        print_page(found, _PARTED, as_json=as_json, empty=_NOTHING)
    else:
        with opened(state) as library, DecoderPool(DecodeLimits()) as decoders:
            page = ImageQuery(library, decoders)(raw, limit, register)
        matches = page.items
        print_page(page, _COLUMNS, as_json=as_json, empty=_NOTHING)
    if overlay is not None:
        _write_overlay(matches, overlay)


def _query_parts(state: Path, raw: bytes, limit: int, register: int, ask: int) -> Page[PartedMatch]:
    from daemon.parted_query import PartedQuery
    from index.routing import read_routing
    from index.stream.options import DecodeLimits
    from index.stream.sandbox import DecoderPool

    with opened_parts(state) as parts, DecoderPool(DecodeLimits()) as decoders:
        return PartedQuery(parts, read_routing(state), decoders)(raw, limit, register, ask)


def _write_overlay(matches: list[QueryMatch], path: Path) -> None:
    from daemon.export import write_atomic

    registered = next((match.registration for match in matches if match.registration is not None), None)
    if registered is None:
        raise NotFoundError("no shape like this image was found to draw over it")
    write_atomic(path, b64decode(registered.overlay))


def _view(match: QueryMatch) -> str:
    found = match.registration
    if found is None:
        return "-"
    told = f"azimuth {found.azimuth:.0f}, elevation {found.elevation:.0f}, loss {found.loss:.3f}"
    if found.stranger:
        return f"{told}, a stranger"
    return told if found.certainty is None else f"{told}, {found.certainty:.0%} sure"


def read_input(path: Path) -> bytes:
    """A file, or standard input for ``-``."""
    try:
        return typer.get_binary_stream("stdin").read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def _of_match(tell: Callable[[QueryMatch], object], one: PartedMatch) -> object:
    return tell(one.match)


_NOTHING = "the library holds nothing like it"
_COLUMNS: tuple[Column[QueryMatch], ...] = (
    ("cluster", lambda m: m.cluster),
    ("similarity", lambda m: m.score),
    ("votes", lambda m: m.votes),
    ("images", lambda m: m.size),
    ("nearest image", lambda m: m.nearest_image),
    ("shape", lambda m: f"v{m.shape.version}, loss {m.shape.loss:.3f}" if m.shape else "-"),
    ("seen from", _view),
)
_PARTED: tuple[Column[PartedMatch], ...] = (
    ("part", lambda one: one.part),
    *((name, partial(_of_match, tell)) for name, tell in _COLUMNS),
)
