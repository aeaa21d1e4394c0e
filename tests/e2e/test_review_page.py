"""An operator reads a pull request in a browser and decides there; what is said there is the host's own review."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.support.serving import REPOSITORY, Served, first_import, served_host

PAGE = f"/{REPOSITORY}/pull/1"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("review")
    with served_host(folder / "home") as made:
        clone = first_import(made, folder / "clone")
        clone.commit({"a.txt": "a"}, "Add a")
        clone.push(made.git_url("forge/builder-01"), "HEAD:refs/for/main", "title=Add a")
        yield made


@contextmanager
def browser(served: Served, login: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, headers={"Origin": served.url, "Accept": "text/html"}) as made:
        assert made.post("/login", data={"token": served.tokens[login], "next": PAGE}).headers["location"] == PAGE
        yield made


def fields(page: str, word: str) -> dict[str, str]:
    """What the page's form sends when its button is pressed."""
    made = {name: page.partition(f'name="{name}" value="')[2].partition('"')[0] for name in ("csrf", "head")}
    return made | {"word": word, "comment": "read <b>it</b>"}


def reviews(served: Served) -> list[tuple[str, str]]:
    headers = {"Authorization": f"Bearer {served.tokens['reader']}"}
    found = httpx.get(f"{served.api}/repos/{REPOSITORY}/pulls/1/reviews", headers=headers).json()
    return [(review["user"]["login"], review["state"]) for review in found]


def test_a_reader_sees_the_page_and_no_form(served: Served) -> None:
    with browser(served, "reader") as reader:
        page = reader.get(PAGE).text
        assert "Add a" in page
        assert "/review" not in page
        assert reader.post(f"{PAGE}/review", data=fields(page, "approve")).status_code == 403
    assert reviews(served) == []


def test_an_operator_decides_on_the_page(served: Served) -> None:
    with browser(served, "olga") as olga:
        assert f'href="{PAGE}"' in olga.get("/").text
        page = olga.get(PAGE).text
        for word in ("approve", "reject"):
            answer = olga.post(f"{PAGE}/review", data=fields(page, word))
            assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
        assert olga.post(f"{PAGE}/review", data=fields(page, "shrug")).status_code == 422
        assert olga.post(f"{PAGE}/review", data=fields(page, "approve") | {"head": "0" * 40}).status_code == 422
        assert "read &lt;b&gt;it&lt;/b&gt;" in olga.get(PAGE).text
    assert reviews(served) == [("olga", "APPROVED"), ("olga", "CHANGES_REQUESTED")]
