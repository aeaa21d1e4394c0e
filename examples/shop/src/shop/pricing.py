"""Prices, in whole cents, so that nothing is lost to rounding."""

from collections.abc import Mapping
from dataclasses import dataclass

CATALOGUE: Mapping[str, int] = {"anvil": 12_500, "bellows": 8_900, "hammer": 3_450, "tongs": 2_200}
"""Item -> price of one, in cents."""

DISCOUNTS = ((50, 15), (10, 10), (3, 5))
"""(from this quantity, percent off), the largest quantity first."""

MAX_QUANTITY = 1_000


class UnknownItem(LookupError):
    """The catalogue has no such item."""


@dataclass(frozen=True)
class Price:
    """What `quantity` of `item` cost. `total` has the discount taken off."""

    item: str
    quantity: int
    discount_percent: int
    total: int


def discount_percent(quantity: int) -> int:
    """Percent off for this quantity."""
    for least, percent in DISCOUNTS:
        if quantity >= least:
            return percent
    return 0


def price(item: str, quantity: int) -> Price:
    """The price of `quantity` of `item`. Raises UnknownItem, or ValueError (quantity)."""
    if item not in CATALOGUE:
        raise UnknownItem(f"there is no {item!r} in the catalogue")
    if not 1 <= quantity <= MAX_QUANTITY:
        raise ValueError(f"quantity must be from 1 to {MAX_QUANTITY}")
    percent = discount_percent(quantity)
    full = CATALOGUE[item] * quantity
    return Price(
        item=item, quantity=quantity, discount_percent=percent, total=full - full * percent // 100
    )
