"""Dagster stores the texts of exceptions, with all that led to them: those that hold a secret are told anew without it."""

import functools
import traceback
from collections.abc import Callable
from typing import TypeVar, cast

import dagster as dg

from forge_dagster.domain.redaction import Redaction
from forge_dagster.orchestration.resources import Forge

_Function = TypeVar("_Function", bound=Callable[..., object])


def told(error: Exception, redaction: Redaction) -> Exception:
    """The same error where its whole text may be stored; else a step failure that says it without the secret."""
    text = "".join(traceback.format_exception(error))
    if redaction.text(text) == text:
        return error
    description = error.description if isinstance(error, dg.Failure) else None
    said = redaction.text(description or f"{type(error).__name__}: {error}")
    return dg.Failure(description=said, allow_retries=False)


def discreet(function: _Function) -> _Function:
    """A sensor's or schedule's function, of which no exception carries a secret into Dagster's storage."""

    @functools.wraps(function)
    def guarded(*arguments: object, forge: Forge, **more: object) -> object:
        try:
            return function(*arguments, forge=forge, **more)
        except Exception as error:
            clean = told(error, forge.redaction())
            if clean is error:
                raise
        raise clean  # outside of the handler, so that the first one is not its context

    return cast(_Function, guarded)
