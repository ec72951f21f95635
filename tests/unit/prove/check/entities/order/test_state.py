"""Compares the shop's payments with those booked in Heartland."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.prove.check.entities.order.state import Order, differences


def order(total: str, **payments: list[str]) -> Order:
    named = {name.replace("_", "/")[1:]: [Decimal(one) for one in amounts] for name, amounts in payments.items()}
    return Order("1", total=Decimal(total), payments=named)


@pytest.mark.parametrize(
    ("total", "taken", "booked", "agrees"),
    [
        pytest.param("30", {"p1": ["30"]}, {"p1": ["30"]}, True, id="paid"),
        pytest.param("30", {"p1": ["30"]}, {"p1": ["29.99"]}, False, id="a cent less"),
        pytest.param("30", {"p1": ["30"]}, {"p1": ["30", "30"]}, False, id="booked twice"),
        pytest.param("30", {"p1": ["20"], "p2": ["10"]}, {"p1": ["10"], "p2": ["20"]}, False, id="mixed up"),
        pytest.param("30", {"p1": ["20"]}, {"p2": ["20"]}, False, id="another one's"),
        pytest.param("30", {"p1": ["30"]}, {"p1": ["20"], "p1_2": ["10"]}, True, id="in two parts"),
        pytest.param("20", {"p1": ["30"]}, {"p1": ["30"]}, True, id="edited down after it was booked"),
        pytest.param("20", {"p1": ["30"]}, {"p1": ["20"]}, True, id="and before"),
        pytest.param("20", {"p1": ["30"]}, {"p1": ["25"]}, True, id="and in between"),
        pytest.param("20", {"p1": ["30"]}, {"p1": ["19.99"]}, False, id="less than it costs"),
        pytest.param("20", {"p1": ["30"]}, {"p1": ["31"]}, False, id="more than was taken"),
        pytest.param("20", {"p1": ["15"], "p2": ["15"]}, {"p1": ["16"], "p2": ["4"]}, False, id="more of one"),
        pytest.param("20", {"p1": ["30"]}, {"p1": ["10"], "p2": ["10"]}, False, id="one that nobody made"),
    ],
)
def test_payments_agree(total: str, taken: dict[str, list[str]], booked: dict[str, list[str]], agrees: bool) -> None:
    assert (list(differences(order(total, **taken), order(total, **booked))) == []) is agrees
