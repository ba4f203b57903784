"""Commands by which people change the library: edit, delete, quarantine, rollback."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, JsonOption, StateOption, app
from ops.errors import ConfigError

if TYPE_CHECKING:
    from index.curation import Action, Edit

TokenOption = Annotated[
    str, typer.Option("--token-file", help="File with the daemon's token.", envvar="SHAPELODE_API__TOKEN_FILE")
]
ClusterOption = Annotated[int | None, typer.Option("--cluster", min=0, help="A cluster with all of its images.")]
ImagesOption = Annotated[list[int] | None, typer.Option("--image", min=0, help="An image; may be repeated.")]
SourceOption = Annotated[str | None, typer.Option("--source", help="A shard, as `shapelode shards` names it.")]


@app.command()
def edit(
    cluster: Annotated[int, typer.Argument(min=0, help="The cluster or shape.")],
    name: Annotated[str | None, typer.Option(help="What to call it; empty for nothing.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag it gets; may be repeated.")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="A tag it loses; may be repeated.")] = None,
    pin: Annotated[bool | None, typer.Option("--pin/--unpin", help="Keep it at hand.")] = None,
    hide: Annotated[bool | None, typer.Option("--hide/--show", help="Leave it out of lists.")] = None,
    state: StateOption = DEFAULT_STATE,
    token_file: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Name, tag, pin or hide a cluster and its shape.

    Where a daemon runs, it does so; else the library is written directly.

    Examples:

      shapelode edit 3 --name 'red armchair' --tag chair --tag red --pin

      shapelode edit 3 --untag red --unpin

      shapelode edit 7 --hide
    """
    from index.curation import ClusterEdit

    wanted = ClusterEdit(cluster, name, tuple(tag or ()), tuple(untag or ()), pin, hide)
    if wanted == ClusterEdit(cluster):
        raise ConfigError("say what to change: --name, --tag, --untag, --pin, --unpin, --hide or --show")
    _submit(state, wanted, token_file, as_json)


@app.command()
def delete(
    cluster: ClusterOption = None,
    image: ImagesOption = None,
    source: SourceOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    state: StateOption = DEFAULT_STATE,
    token_file: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Delete images, a cluster with all of its images and versions, or all images of a source, for good.

    What is deleted does not come back when its shard is read again, nor does the same file from elsewhere. What else
    a deleted source holds or will hold is refused.

    Examples:

      shapelode delete --image 17 --image 18

      shapelode delete --cluster 3 --yes

      shapelode delete --source crawl/00012.tar
    """
    wanted = _edit("delete", cluster, image, source)
    if not yes:
        typer.confirm("this can't be undone; delete?", abort=True, err=True)
    _submit(state, wanted, token_file, as_json)


@app.command()
def quarantine(
    cluster: ClusterOption = None,
    image: ImagesOption = None,
    source: SourceOption = None,
    release: Annotated[bool, typer.Option("--release", help="Take it out of quarantine instead.")] = False,
    state: StateOption = DEFAULT_STATE,
    token_file: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Keep images, a cluster or a source out of reconstructions and answers, without deleting anything.

    To release a cluster that is there because its reconstruction kept failing lets it be tried again.

    Examples:

      shapelode quarantine --image 17

      shapelode quarantine --cluster 3 --release

      shapelode quarantine --source crawl/00012.tar
    """
    _submit(state, _edit("release" if release else "quarantine", cluster, image, source), token_file, as_json)


@app.command()
def rollback(
    shape: Annotated[int, typer.Argument(min=0, help="The shape; its id is that of its cluster.")],
    to: Annotated[int, typer.Option("--to", min=1, help="The version to go back to.")],
    state: StateOption = DEFAULT_STATE,
    token_file: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make an earlier version of a shape the current one.

    It is published anew under the next number, with the files of the version it stands for; nothing is lost, and going
    back can be undone the same way. Reconstructions that are under way from the version left are dropped.

    Examples:

      shapelode rollback 3 --to 1

      shapelode shapes 3        # its versions
    """
    from index.rollback import Rollback

    _submit(state, Rollback(shape, to), token_file, as_json)


def _edit(action: Action, cluster: int | None, images: list[int] | None, source: str | None) -> Edit:
    from index.curation import ClusterDeletion, ClusterEdit, ImageEdit, SourceEdit

    if sum((cluster is not None, bool(images), source is not None)) != 1:
        raise ConfigError("name one of --cluster, --image and --source")
    if cluster is not None:
        return ClusterDeletion(cluster) if action == "delete" else ClusterEdit(cluster, quarantined=action != "release")
    if source is not None:
        return SourceEdit(source, action)
    return ImageEdit(tuple(images or ()), action)


def _submit(state: Path, wanted: Edit, token_file: str, as_json: bool) -> None:
    import os

    from daemon.access import TOKEN_ENV
    from daemon.cli.output import print_json
    from daemon.editing import submit

    try:
        token = Path(token_file).read_text(encoding="utf-8").strip() if token_file else os.environ.get(TOKEN_ENV, "")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the token file {token_file}: {error}") from error
    report = submit(state, wanted, token)
    if as_json:
        print_json(report)
    else:
        count = f", {report.images:,} images" if report.images else ""
        typer.echo(f"done{count}" if report.changed else "nothing to do, it is so already")
