import pytest

from shop.pricing import MAX_QUANTITY, UnknownItem, discount_percent, price


@pytest.mark.parametrize(
    ("quantity", "percent"),
    [(1, 0), (2, 0), (3, 5), (9, 5), (10, 10), (49, 10), (50, 15), (1000, 15)],
)
def test_discount_grows_with_quantity(quantity: int, percent: int) -> None:
    assert discount_percent(quantity) == percent


def test_price_takes_the_discount_off() -> None:
    found = price("anvil", 3)
    assert (found.total, found.discount_percent) == (35_625, 5)


def test_unknown_item_is_refused() -> None:
    with pytest.raises(UnknownItem, match="spoon"):
        price("spoon", 1)


@pytest.mark.parametrize("quantity", [0, -1, MAX_QUANTITY + 1])
def test_quantity_out_of_range_is_refused(quantity: int) -> None:
    with pytest.raises(ValueError, match="from 1 to"):
        price("anvil", quantity)
