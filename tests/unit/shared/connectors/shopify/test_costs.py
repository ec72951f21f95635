"""Batches grow to what one query may cost, and never beyond."""

from __future__ import annotations

from math import ceil, log2

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.connectors.shopify.costs import QUERY_MAXIMUM, Costs


def test_the_hint_counts_until_a_reply_tells() -> None:
    assert Costs().max_units("ReadOrders", hint=150) == 6
    assert Costs().estimate("ReadOrders", 3, hint=150) == 450


def test_a_small_bucket_bounds_a_query() -> None:
    costs = Costs()
    costs.bucket(400)

    assert costs.max_units("ReadOrders", hint=100) == 4
    assert costs.estimate("ReadOrders", 9, hint=100) == 400


def test_a_large_bucket_does_not_lift_the_maximum_of_a_query() -> None:
    costs = Costs()
    costs.bucket(20_000)

    assert costs.max_units("ReadOrders", hint=100) == 10


def batches(per_order: int, logarithmic: bool) -> tuple[int, int]:
    """The size that batches settle at, and how many queries were refused on the way."""
    costs = Costs()
    size, refused = 1, 0
    for _ in range(60):
        cost = per_order * (ceil(log2(size + 1)) if logarithmic else size)
        if cost > QUERY_MAXIMUM:
            costs.exceeded("ReadOrders", size)
            refused += 1
        else:
            costs.learn("ReadOrders", size, cost)
        size = min(100, costs.max_units("ReadOrders", hint=150))
    return size, refused


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=900))
def test_proportional_costs_fill_a_query_and_never_exceed_it(per_order: int) -> None:
    assert batches(per_order, logarithmic=False) == (min(100, int(QUERY_MAXIMUM / per_order)), 0)


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=900))
def test_logarithmic_costs_let_batches_grow_at_the_price_of_few_refusals(per_order: int) -> None:
    size, refused = batches(per_order, logarithmic=True)

    assert size >= min(100, 1000 // per_order)
    assert refused <= 6


def test_what_was_refused_is_not_tried_again() -> None:
    costs = Costs()
    costs.learn("ReadOrders", 10, 100)
    costs.exceeded("ReadOrders", 40)

    assert costs.max_units("ReadOrders", hint=150) == 24
