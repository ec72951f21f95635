"""Shopify's search syntax: `updated_at:>='2026-11-20T00:00:00Z' tag:vip -test:true (a OR b)`.

A filter that is not known is ignored, as Shopify does: callers must check what they get.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from services.sandbox.shopify.timestamps import moment

TOKEN: Final = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))|(?P<word>AND|OR|NOT)(?=[\s()]|$)
    |(?P<minus>-)?(?:(?P<field>\w+):(?P<op><=|>=|<|>)?)?(?P<value>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s()]+))""",
    re.VERBOSE,
)
Predicate = Callable[[Any], bool]
# A record's values for a filter: texts, or numbers if they can be compared (times: seconds since 1970).
Values = Callable[[Any], Sequence[str | float]]


def matcher(query: str | None, fields: Mapping[str, Values], anywhere: Values) -> Predicate:
    """The predicate of a search query.

    `anywhere` returns the texts in which a term without a field is searched.
    """
    tokens = [found for found in TOKEN.finditer(query or "") if found.group().strip()]
    if not tokens:
        return lambda row: True
    return _either(iter(tokens), fields, anywhere)


def _either(tokens: Iterator[re.Match[str]], fields: Mapping[str, Values], anywhere: Values) -> Predicate:
    """Parses terms up to the closing parenthesis: adjacent terms mean AND."""
    choices: list[list[Predicate]] = [[]]
    negated = False
    for token in tokens:
        if token["close"]:
            break
        if token["word"] == "OR":
            choices.append([])
        elif token["word"] == "NOT":
            negated = True
        elif token["word"] is None:
            term = _either(tokens, fields, anywhere) if token["open"] else _term(token, fields, anywhere)
            choices[-1].append(_not(term) if negated or token["minus"] else term)
            negated = False
    return lambda row: any(all(term(row) for term in terms) for terms in choices)


def _not(term: Predicate) -> Predicate:
    return lambda row: not term(row)


def _term(token: re.Match[str], fields: Mapping[str, Values], anywhere: Values) -> Predicate:
    name, wanted = token["field"], _unquoted(token["value"])
    if name is None:
        return lambda row: any(wanted.lower() in str(text).lower() for text in anywhere(row))
    values = fields.get(name)
    if values is None:
        return lambda row: True
    fits = _comparison(token["op"], wanted)
    return lambda row: any(fits(value) for value in values(row))


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _comparison(op: str | None, wanted: str) -> Callable[[str | float], bool]:
    number = _number(wanted)
    if op is None or number is None:
        return lambda value: _is(value, wanted, number)
    tests: dict[str, Callable[[float], bool]] = {
        ">": lambda value: value > number,
        ">=": lambda value: value >= number,
        "<": lambda value: value < number,
        "<=": lambda value: value <= number,
    }
    test = tests[op]
    return lambda value: isinstance(value, (int, float)) and test(value)


def _is(value: str | float, wanted: str, number: float | None) -> bool:
    if not isinstance(value, str):
        return value == number
    if wanted.endswith("*"):
        return value.lower().startswith(wanted[:-1].lower())
    return value.lower() == wanted.lower()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        found = moment(text)
        return found.timestamp() if found else None
