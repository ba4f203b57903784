"""The one shape every HTTP error has, whatever raised it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from daemon.api.security import HEADERS
from ops.errors import (
    BackboneError,
    ConfigError,
    FingerprintError,
    NotFoundError,
    RejectError,
    ShapelodeError,
    StateBusyError,
    StateError,
)
from ops.logs import get_logger

_log = get_logger("api")


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """What went wrong: a short code for programs, a line for people, particulars where there are any."""

    code: str
    message: str
    detail: Any = None


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The body of every response that is not a success."""

    error: ErrorInfo


_HTTP_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    422: "invalid",
    503: "unavailable",
}
_KINDS: tuple[tuple[type[ShapelodeError], int, str], ...] = (
    (NotFoundError, 404, "not_found"),
    (RejectError, 422, "image_rejected"),
    (ConfigError, 400, "bad_request"),
    (StateBusyError, 409, "busy"),
    (FingerprintError, 503, "backbone_mismatch"),
    (BackboneError, 503, "backbone_unavailable"),
    (StateError, 503, "library_unavailable"),
    (ShapelodeError, 500, "internal"),
)
_TEXTS = {
    400: "The request can't be answered, such as one with a cursor that no page gave out.",
    401: "This server asks for its token, as `Authorization: Bearer TOKEN` or by the page's login.",
    403: "A page of another site had a browser send this.",
    404: "There is no such thing.",
    405: "The path does not answer to this method.",
    409: "Another process writes to the library; ask that one.",
    413: "The body is too large.",
    421: "This server does not go by the name in the Host header.",
    422: "A parameter is missing or out of range, or the image was refused.",
    500: "The server failed.",
    503: "The library or its backbone can't be used now.",
}


_EVERYWHERE = (401, 405, 421, 500, 503)


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses of the errors a route can answer with."""
    return {status: {"model": ErrorBody, "description": _TEXTS[status]} for status in (*statuses, *_EVERYWHERE)}


def error_response(
    status: int, code: str, message: str, detail: Any = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """A response in the one error shape."""
    body = {"error": {"code": code, "message": message, "detail": detail}}
    return JSONResponse(body, status, headers={**HEADERS, **(headers or {})})


def install(app: FastAPI) -> None:
    """Makes every error of an app come out in the one shape."""
    app.add_exception_handler(ShapelodeError, _on_shapelode_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_crash)


def _on_shapelode_error(_: Request, error: Exception) -> JSONResponse:
    status, code = next((status, code) for kind, status, code in _KINDS if isinstance(error, kind))
    detail = {"reason": error.reason, "detail": error.detail} if isinstance(error, RejectError) else None
    return error_response(status, code, str(error), detail)


def _on_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [
        {"where": ".".join(str(part) for part in problem["loc"]), "problem": problem["msg"]}
        for problem in error.errors()
    ]
    message = "; ".join(f"{problem['where']}: {problem['problem'].lower()}" for problem in problems)
    return error_response(422, "invalid", message or "the request is invalid", problems)


def _on_http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _HTTP_CODES.get(error.status_code, "http_error")
    headers = dict(error.headers) if error.headers else None
    return error_response(error.status_code, code, str(error.detail).lower(), headers=headers)


def _on_crash(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s failed: %r", request.method, request.url.path, error)
    return error_response(500, "internal", "the server failed; its log says why")
