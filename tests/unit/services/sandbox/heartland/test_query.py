"""The spellings of a filter are one filter."""

from __future__ import annotations

import pytest

from services.sandbox.heartland.query import Group, Where, parse
from services.sandbox.heartland.rejection import Rejection


@pytest.mark.parametrize(
    "pairs",
    [
        [("_filter", '{"price":{"$gt":"10"}}')],
        [("_filter[price][$gt]", "10")],
        [("~[price][$gt]", "10")],
    ],
    ids=["json", "brackets", "tilde"],
)
def test_three_spellings_mean_the_same(pairs: list[tuple[str, str]]) -> None:
    assert parse(pairs, ()).condition.parts == (Group((Where("price", "$gt", "10"),)),)


def test_a_list_of_filters_is_the_and_of_them() -> None:
    query = parse([("_filter", '[{"a":1},{"b":2}]')], ())

    assert query.condition.parts == (Group((Group((Where("a", "$eq", 1),)), Group((Where("b", "$eq", 2),)))),)


def test_brackets_can_carry_a_list() -> None:
    query = parse([("_filter[id][$in][]", "1"), ("_filter[id][$in][]", "2")], ())

    assert query.condition.parts == (Group((Where("id", "$in", ["1", "2"]),)),)


def test_a_plain_parameter_filters_only_where_it_is_known() -> None:
    pairs = [("status", "open"), ("colour", "red")]

    assert parse(pairs, ["status"]).condition.parts == (Where("status", "$eq", "open"),)


def test_an_operator_without_dollar_is_ignored_unless_strict() -> None:
    pairs = [("_filter", '{"price":{"gt":10}}')]

    assert parse(pairs, ()).condition.parts == (Group(()),)
    with pytest.raises(Rejection):
        parse(pairs, (), strict=True)


def test_sorting_paging_projection_and_includes_are_read() -> None:
    pairs = [("sort[]", "id"), ("sort[]", "created_at,desc"), ("_only[]", "id"), ("_include[]", "customer")]
    query = parse([*pairs, ("page", "3"), ("per_page", "all")], ())

    assert query.sort == (("id", False), ("created_at", True))
    assert (query.only, query.include, query.page, query.per_page) == (("id",), ("customer",), 3, None)


@pytest.mark.parametrize(
    "pair",
    [
        ("_filter", "{"), ("_filter", "7"), ("_filter", '{"$or":1}'), ("_filter", '{"a":{"$near":1}}'),
        ("_filter[]", "1"), ("_filter[a][$in][0]", "1"), ("page", "0"), ("per_page", "many"),
    ],
)  # fmt: skip
def test_a_malformed_parameter_is_an_invalid_request(pair: tuple[str, str]) -> None:
    with pytest.raises(Rejection) as rejection:
        parse([pair], ())

    assert rejection.value.error == "invalid_request"
