import json

import pytest

from shop.pages import answer


def test_health() -> None:
    assert answer("/health").body == '{"status": "ok"}'


def test_home_page_lists_the_catalogue() -> None:
    page = answer("/")
    assert page.status == 200
    assert "anvil" in page.body
    assert "125.00" in page.body


def test_price() -> None:
    found = answer("/api/price?item=anvil&quantity=3")
    assert found.status == 200
    assert json.loads(found.body)["total"] == 35_625


def test_price_of_one_by_default() -> None:
    assert json.loads(answer("/api/price?item=tongs").body)["total"] == 2_200


def test_of_several_values_the_first_counts() -> None:
    found = answer("/api/price?item=anvil&item=tongs&quantity=3&quantity=5")
    assert json.loads(found.body) == {
        "item": "anvil",
        "quantity": 3,
        "discount_percent": 5,
        "total": 35_625,
    }


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/price", 404),
        ("/api/price?item=spoon", 404),
        ("/api/price?item=anvil&quantity=0", 400),
        ("/api/price?item=anvil&quantity=many", 400),
        ("/nowhere", 404),
    ],
)
def test_faults_are_the_callers(target: str, status: int) -> None:
    found = answer(target)
    assert found.status == status
    assert json.loads(found.body)["error"]
