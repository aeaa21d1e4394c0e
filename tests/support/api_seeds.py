"""Seeds of the tool that holds an application against its OpenAPI document."""

from forge_dagster.domain.outcomes import Outcome
from tests.support.seeds import Seed

FAILED, PASSED, ERRORED = Outcome.FAILED, Outcome.PASSED, Outcome.ERRORED

APPLICATION = '''"""A shop whose application needs nothing but Python."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        name, _, number = self.path.rpartition("/")
        if name == "/prices" and number.isdigit():
            self.answer(200, {"total": TOTAL})
        else:
            self.answer(404, {"error": "there is no such price"})

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Shop).serve_forever()
'''
DOCUMENT = """openapi: 3.0.3
info: {title: Shop, version: "1"}
paths:
  /prices/{number}:
    get:
      parameters:
        - {name: number, in: path, required: true, schema: {type: integer, minimum: 0, maximum: 9}}
      responses:
        "200":
          description: A price
          content:
            application/json:
              schema: {type: object, required: [total], properties: {total: {type: integer}}}
        "404":
          description: There is no such price
          content: {application/json: {schema: {type: object}}}
"""
GOOD, BAD = APPLICATION.replace("TOTAL", "12"), APPLICATION.replace("TOTAL", '"12"')


def _seed(case: str, outcome: Outcome, application: str, document: str = DOCUMENT, **rest: object) -> Seed:
    return Seed(
        tool="schemathesis",
        case=case,
        files={"app.py": application, "openapi.yaml": document},
        outcome=outcome,
        serve=("python3", "app.py"),
        document="openapi.yaml",
        **rest,  # type: ignore[arg-type]
    )


SEEDS = (
    _seed("clean", PASSED, GOOD),
    _seed("fault", FAILED, BAD, findings=(("openapi.yaml", None, "response_schema_conformance"),)),
    _seed(
        "crash",
        FAILED,
        GOOD.replace('self.answer(200, {"total": 12})', "self.answer(500, {})"),
        findings=(
            ("openapi.yaml", None, "not_a_server_error"),
            ("openapi.yaml", None, "status_code_conformance"),
        ),
    ),
    _seed(
        "no-document",
        FAILED,
        GOOD,
        "not: [closed\n",
        examined=0,
        findings=(("openapi.yaml", None, "document"),),
    ),
    _seed("no-operation", ERRORED, GOOD, DOCUMENT.partition("paths:")[0] + "paths: {}\n", examined=0),
)
