"""Every error is JSON with one sentence: {"error": "..."}."""

from __future__ import annotations

from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from services.store.errors import Failure, classify, explain

RETRY_AFTER_S = 5
AWAY = "The database cannot be reached; the numbers are not lost, try again in a moment."


class ApiError(BaseModel):
    """What every answer of status 400 or above holds."""

    error: str = Field(description="one sentence: what is wrong and what to do")


class BadRequestError(Exception):
    """The request cannot be answered as it is; the message says how to ask instead."""


class NotFoundError(Exception):
    """What the request names does not exist; the message says what does."""


def install(app: FastAPI) -> None:
    """Answer the errors of this package, of the framework and of the database with a sentence."""
    app.add_exception_handler(BadRequestError, _bad_request)
    app.add_exception_handler(NotFoundError, _not_found)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(PoolTimeout, _away)
    app.add_exception_handler(psycopg.Error, _database)


def _answer(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status, headers=headers)


async def _bad_request(_: Request, error: Exception) -> JSONResponse:
    return _answer(422, str(error))


async def _not_found(_: Request, error: Exception) -> JSONResponse:
    return _answer(404, str(error))


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _answer(422, "; ".join(_sentence(each) for each in error.errors()))


def _sentence(problem: dict[str, Any]) -> str:
    name = str(problem["loc"][-1]) if problem["loc"] else "request"
    message = str(problem["msg"])
    given = jsonable_encoder(problem.get("input"))
    shown = "" if given is None else f" (given: {str(given)[:100]!r})"
    return f"{name}: {message[:1].lower()}{message[1:]}{shown}"


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _answer(error.status_code, f"{error.detail}.", dict(error.headers or {}))


async def _away(_: Request, __: Exception) -> JSONResponse:
    return _answer(503, AWAY, {"Retry-After": str(RETRY_AFTER_S)})


async def _database(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, psycopg.Error)
    if classify(error) is Failure.PERMANENT:
        # A value of the request that the database cannot hold, such as the year 300000.
        return _answer(422, explain(error))
    return _answer(503, explain(error), {"Retry-After": str(RETRY_AFTER_S)})
