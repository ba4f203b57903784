"""The gate of the API: by which name it was called, and whether whoever calls may come in; and how a browser does."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Request, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from daemon.access import COOKIE, Access
from daemon.api.errors import declared, error_response

router = APIRouter(prefix="/v1", tags=["session"])
_OPEN = frozenset({"/", "/healthz", "/readyz", "/v1/session"})
_OPEN_PREFIX = "/page/"  # the page holds nothing of the library, and asks for the token
_LONGEST = 1024


class Gate:
    """ASGI middleware that answers 421 to other names than the listener's and 401 to whoever has no token."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not self._access.knows_host(headers.get("host", "")):
            refusal = error_response(421, "wrong_host", "this server does not go by that name; see api.hosts")
            await refusal(scope, receive, send)
        elif not self._is_open(scope["path"]) and not self._admits(headers):
            refusal = error_response(
                401, "unauthorized", "a token is needed: Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return path in _OPEN or path.startswith(_OPEN_PREFIX)

    def _admits(self, headers: Headers) -> bool:
        session = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        return self._access.admits(headers.get("authorization", ""), session)


@router.post("/session", status_code=204, responses=declared(422))
def begin_session(
    request: Request,
    response: Response,
    token: Annotated[str, Body(embed=True, max_length=_LONGEST, description="The token.")],
) -> None:
    """Lets a browser in: a cookie that no script can read and no other site can send."""
    access: Access = request.app.state.access
    if access.token is None:
        return
    if not access.token.matches(token.strip()):
        raise HTTPException(401, "that is not the token", {"WWW-Authenticate": "Bearer"})
    same_site: Literal["strict"] = "strict"
    response.set_cookie(
        COOKIE, access.token.session(), httponly=True, samesite=same_site, secure=request.url.scheme == "https"
    )


@router.delete("/session", status_code=204, responses=declared())
def end_session(response: Response) -> None:
    """Lets a browser out again."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
