"""What Dagster and the server would write of an exception: without the secret that is in it."""

import logging
import traceback
from pathlib import Path

import dagster as dg
import pytest

from forge_dagster.domain.redaction import MASK, Redaction, redaction
from forge_dagster.orchestration.discretion import discreet, told
from forge_dagster.orchestration.resources import Forge
from forge_dagster.server.logs import DiscreetFormatter
from tests.support.canaries import canary

SECRET = canary("discretion")
KNOWN = redaction([SECRET])


class Discreet(Forge):
    def redaction(self) -> Redaction:
        return KNOWN


def failing() -> Exception:
    try:
        raise ValueError(f"401 for {SECRET}")
    except ValueError as cause:
        try:
            raise dg.Failure(description="the host refused") from cause
        except dg.Failure as error:
            return error


def test_an_exception_whose_cause_tells_a_secret_is_told_without_it() -> None:
    clean = told(failing(), KNOWN)
    assert isinstance(clean, dg.Failure)
    assert clean.description == "the host refused"
    assert SECRET not in "".join(traceback.format_exception(clean))


def test_one_without_a_secret_stays_as_it_is() -> None:
    error = failing()
    assert told(error, redaction(["another secret"])) is error


def test_a_sensor_raises_nothing_that_holds_a_secret(tmp_path: Path) -> None:
    @discreet
    def sensor(*, forge: Forge) -> None:
        raise RuntimeError(f"{SECRET} in {forge.home}")

    with pytest.raises(dg.Failure, match="RuntimeError") as raised:
        sensor(forge=Discreet(home=str(tmp_path)))
    text = "".join(traceback.format_exception(raised.value))
    assert SECRET not in text
    assert MASK in (raised.value.description or "")


def test_the_servers_log_holds_no_secret_of_a_path_or_an_exception() -> None:
    error = failing()
    about = (type(error), error, error.__traceback__)
    record = logging.LogRecord("forge.server", logging.ERROR, "app.py", 1, "GET /x?token=%s", (SECRET,), about)
    text = DiscreetFormatter("%(name)s %(message)s", lambda: KNOWN).format(record)
    assert text.startswith(f"forge.server GET /x?token={MASK}")
    assert "the host refused" in text
    assert SECRET not in text
