"""Dotted paths: read, set, unset, merge and compare settings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from shared.definitions.describe import describe, reference
from shared.definitions.paths import (
    Change,
    changes,
    merged,
    sections,
    setting_paths,
    unknown_paths,
    value_at,
    with_value,
    without_value,
)
from shared.definitions.section import Section
from shared.errors import Misconfigured


class Inner(Section):
    depth: int = 3
    names: dict[str, int] = Field({})


class Model(Section):
    title: str = "x"
    inner: Inner = Inner()


PATHS = ("title", "inner.depth", "inner.names")


def test_settings_and_sections_are_listed() -> None:
    assert (tuple(setting_paths(Model)), tuple(sections(Model))) == (PATHS, ("inner",))


def test_a_value_is_set_in_a_copy() -> None:
    settings: dict[str, Any] = {"inner": {"depth": 1}}

    assert with_value(settings, "inner.names", {"a": 1}) == {"inner": {"depth": 1, "names": {"a": 1}}}
    assert settings == {"inner": {"depth": 1}}


def test_a_path_through_a_value_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r'"title\.inner" leads through "title", which is no section'):
        with_value({"title": "x"}, "title.inner", 1)
    with pytest.raises(KeyError):
        value_at({"title": "x"}, "title.inner")


@given(st.sampled_from(PATHS), st.integers(), st.dictionaries(st.sampled_from(PATHS), st.integers()))
def test_what_is_set_is_read_and_what_is_unset_is_gone(path: str, value: int, others: dict[str, int]) -> None:
    settings: dict[str, Any] = {}
    for other, number in others.items():
        settings = with_value(settings, other, number)

    changed = with_value(settings, path, value)

    assert value_at(changed, path) == value
    assert without_value(changed, path) == without_value(settings, path)
    with pytest.raises(KeyError):
        value_at(without_value(changed, path), path)


def test_unsetting_what_is_not_set_changes_nothing() -> None:
    assert without_value({"inner": {"depth": 1}}, "inner.names") == {"inner": {"depth": 1}}
    assert without_value({"title": "x"}, "title.inner") == {"title": "x"}


def test_sections_are_merged_and_values_replaced() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": 1}, {"a": {"c": 3}, "d": {"e": 1}}) == {
        "a": {"b": 1, "c": 3}, "d": {"e": 1},
    }  # fmt: skip


def test_changes_are_of_effective_values() -> None:
    assert changes({}, {"title": "x", "inner": {"depth": 4}}, Model) == [Change("inner.depth", 3, 4)]
    assert changes({"inner": {"depth": 4}}, {}, Model) == [Change("inner.depth", 4, 3)]
    assert changes({"former": 1}, {}, Model) == []


def test_a_stored_section_that_is_none_counts_as_not_set() -> None:
    broken: dict[str, Any] = {"inner": None}

    assert changes(broken, {"inner": {"depth": 4}}, Model) == [Change("inner.depth", 3, 4)]


def test_stored_paths_that_are_not_declared_are_listed() -> None:
    stored = {"old": 1, "inner": {"former": 2, "names": {"a": 1}}}

    assert list(unknown_paths(stored, Model)) == ["old", "inner.former"]


def test_settings_are_described_in_words() -> None:
    assert [(one.path, one.kind, one.default) for one in describe(Model)] == [
        ("title", "text", "x"), ("inner.depth", "whole number", 3), ("inner.names", "object: text to whole number", {}),
    ]  # fmt: skip
    assert "| `inner.depth` | whole number | `3` |  |" in reference(describe(Model))
