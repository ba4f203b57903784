"""How long requests take, by route: what was asked for within a route is no label."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops import metrics

_ENDLESS = frozenset({"/v1/events"})  # streams last as long as their readers want


class Timing:
    """ASGI middleware that measures every request, those that are refused among them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on and measures until its answer has been sent."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            seconds = time.perf_counter() - began
            if (route := _route(scope)) not in _ENDLESS:
                metrics.REQUEST_SECONDS.labels(route, f"{status // 100}xx").observe(seconds)


def _route(scope: Scope) -> str:
    """The pattern that answered, so that no id or unknown path becomes a label."""
    return str(getattr(scope.get("route"), "path", "none"))
