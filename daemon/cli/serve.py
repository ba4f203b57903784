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
    token_file: Annotated[
        str, typer.Option(help="File with the token to ask for.", envvar="SHAPELODE_API__TOKEN_FILE")
    ] = "",
    names: Annotated[str, typer.Option("--hosts", help="Host names of a proxy before it, comma-separated.")] = "",
) -> None:
    """Serve the HTTP API and the library page, with a daemon beside it or none.

    `shapelode run` serves them too. Beyond 127.0.0.1 a token is needed, from a file or SHAPELODE_TOKEN; programs send
    it as `Authorization: Bearer TOKEN`, the page asks for it. Put TLS before it where others share the network.

    Examples:

      shapelode serve --state library

      shapelode serve --port 0

      shapelode serve --host 0.0.0.0 --token-file token
    """
    from daemon.access import access_for, read_token
    from daemon.api.server import ApiServer, serve_until_signal

    access = access_for("the API", host, read_token(token_file), names)
    server = ApiServer(state, host, port, access)
    typer.echo(f"serving {state} on {server.url}, Ctrl-C to stop")
    serve_until_signal(server)
