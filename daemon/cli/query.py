"""`shapelode query`: the shapes most like an image."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, JsonOption, StateOption, app
from daemon.cli.library import opened
from ops.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from daemon.cli.output import Column
    from daemon.query import QueryMatch


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

    with opened(state) as library, DecoderPool(DecodeLimits()) as decoders:
        page = ImageQuery(library, decoders)(raw, limit, max(register, int(overlay is not None)))
    if overlay is not None:
        _write_overlay(page.items, overlay)
    print_page(page, _COLUMNS, as_json=as_json, empty="the library holds nothing like it")


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
    return f"{told}, a stranger" if found.stranger else told


def read_input(path: Path) -> bytes:
    """A file, or standard input for ``-``."""
    try:
        return typer.get_binary_stream("stdin").read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


_COLUMNS: tuple[Column[QueryMatch], ...] = (
    ("cluster", lambda m: m.cluster),
    ("similarity", lambda m: m.score),
    ("votes", lambda m: m.votes),
    ("images", lambda m: m.size),
    ("nearest image", lambda m: m.nearest_image),
    ("shape", lambda m: f"v{m.shape.version}, loss {m.shape.loss:.3f}" if m.shape else "-"),
    ("seen from", _view),
)
