"""`shapelode query`: the shapes most like an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, JsonOption, StateOption, app
from daemon.cli.library import opened
from ops.errors import ConfigError

if TYPE_CHECKING:
    from daemon.cli.output import Column
    from daemon.query import QueryMatch


@app.command()
def query(
    image: Annotated[Path, typer.Argument(help="An image file, or - for standard input.")],
    state: StateOption = DEFAULT_STATE,
    limit: Annotated[int, typer.Option(min=1, max=50, help="Clusters at most.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Find the clusters and shapes most like an image.

    Examples:

      shapelode query chair.jpg --state library

      curl -s https://example.org/chair.jpg | shapelode query - --json
    """
    raw = _read(image)

    from daemon.cli.output import print_page
    from daemon.query import ImageQuery
    from index.stream.options import DecodeLimits
    from index.stream.sandbox import DecoderPool

    with opened(state) as library, DecoderPool(DecodeLimits()) as decoders:
        page = ImageQuery(library, decoders)(raw, limit)
    print_page(page, _COLUMNS, as_json=as_json, empty="the library holds nothing like it")


def _read(path: Path) -> bytes:
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
)
