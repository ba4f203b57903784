"""`shapelode serve`: the API and the page over an existing library."""

from __future__ import annotations

from typing import Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, StateOption, app


@app.command()
def serve(
    state: StateOption = DEFAULT_STATE,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8321,
) -> None:
    """Serve the HTTP API and the library page, with a daemon beside it or none.

    `shapelode run` serves them too. There is no password: listen beyond 127.0.0.1 only where all may read.

    Examples:

      shapelode serve --state library

      shapelode serve --port 0
    """
    from daemon.api.server import ApiServer, serve_until_signal

    server = ApiServer(state, host, port)
    typer.echo(f"serving {state} on {server.url}, Ctrl-C to stop")
    serve_until_signal(server)
