"""What a path answers, as plain values: no sockets here."""

import html
import json
from dataclasses import asdict, dataclass
from urllib.parse import parse_qs, urlsplit

from shop.pricing import CATALOGUE, UnknownItem, price

HTML = "text/html; charset=utf-8"
JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    content_type: str
    body: str


def answer(target: str) -> Answer:
    """The answer to GET `target` (path and query)."""
    url = urlsplit(target)
    if url.path == "/health":
        return _json(200, {"status": "ok"})
    if url.path == "/":
        return Answer(200, HTML, home_page())
    if url.path == "/api/price":
        return price_answer(parse_qs(url.query))
    return _json(404, {"error": "no such page"})


def home_page() -> str:
    """The catalogue."""
    rows = "".join(
        f"<tr><td>{html.escape(item)}</td><td>{cents / 100:.2f}</td></tr>"
        for item, cents in sorted(CATALOGUE.items())
    )
    return f"<!doctype html><title>Shop</title><h1>Shop</h1><table>{rows}</table>"


def price_answer(query: dict[str, list[str]]) -> Answer:
    """The price the query asks for, or what is wrong with the query."""
    item = query.get("item", [""])[0]
    try:
        found = price(item, int(query.get("quantity", ["1"])[0]))
    except UnknownItem as error:
        return _json(404, {"error": str(error)})
    except ValueError as error:
        return _json(400, {"error": str(error)})
    return _json(200, asdict(found))


def _json(status: int, value: object) -> Answer:
    return Answer(status, JSON, json.dumps(value))
