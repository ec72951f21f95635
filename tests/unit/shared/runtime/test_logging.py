from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared.runtime.logging import Rarely, configure, get_logger, masked


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure("info", stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_fields(stream: io.StringIO) -> None:
    get_logger("ingress").info("received", trace_id="ab", connection="demo", entity="order", key="1")

    (line,) = lines(stream)

    assert line["event"] == "received"
    assert line["level"] == "info"
    assert (line["service"], line["connection"], line["entity"], line["key"]) == ("ingress", "demo", "order", "1")


def test_lower_levels_are_not_written(stream: io.StringIO) -> None:
    get_logger("ingress").debug("noise")

    assert lines(stream) == []


def test_libraries_write_the_same_form(stream: io.StringIO) -> None:
    logging.getLogger("aiokafka").warning("lost %s", "a broker")

    assert lines(stream)[0]["event"] == "lost a broker"
    assert lines(stream)[0]["logger"] == "aiokafka"


def test_an_exception_keeps_its_traceback_and_loses_the_address(stream: io.StringIO) -> None:
    try:
        raise ValueError("no customer jane.doe@example.com")
    except ValueError as error:
        get_logger("writer").error("crashed", exc_info=error)

    (line,) = lines(stream)

    assert "ValueError: no customer <email>" in line["exception"]


def deep(levels: int) -> None:
    if not levels:
        raise KeyError("the cause")
    try:
        deep(levels - 1)
    except KeyError as error:
        raise KeyError(f"Bearer {'s3cret' * 20}") from error


def test_a_long_traceback_keeps_its_beginning_and_its_end(stream: io.StringIO) -> None:
    try:
        deep(40)
    except KeyError as error:
        get_logger("writer").error("crashed", exc_info=error)

    (line,) = lines(stream)

    assert line["exception"].startswith("Traceback")
    assert "KeyError: 'the cause'" in line["exception"]
    assert line["exception"].endswith("KeyError: '<token>")
    assert len(line["exception"]) < 6_100


@pytest.mark.parametrize("length", range(4_900, 5_020, 7))
def test_no_part_of_a_token_is_left_where_a_traceback_is_cut(stream: io.StringIO, length: int) -> None:
    get_logger("writer").error("crashed", exception=f"{'x' * 9_000} Bearer {'s3cret' * 20} {'y' * length}")

    assert "s3cret" not in stream.getvalue()


@pytest.mark.parametrize("name", ["body", "email", "token", "credentials"])
def test_fields_that_hold_secrets_or_people_are_never_written(stream: io.StringIO, name: str) -> None:
    get_logger("writer").info("called", **{name: "jane"})

    assert "jane" not in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail to jane.doe+x@shop.example.com failed", "mail to <email> failed"),
        ("token shpat_0123456789abcdef is bad", "token <token> is bad"),
        ("Authorization: Bearer abc.def", "Authorization: <token>"),
        ("postgresql://user:pass@db:5432/x", "postgresql://<login>db:5432/x"),
        ("order 1001 of demo", "order 1001 of demo"),
    ],
)
def test_what_slips_into_text_is_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_a_long_text_is_cut() -> None:
    assert len(masked("x" * 100_000)) < 2_100


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(KeyError):
        configure("loud")


def said(seconds: float, text: str = "no connection to node %s") -> logging.LogRecord:
    record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, text, (1,), None)
    record.created = 1_800_000_000.0 + seconds
    return record


def test_what_a_library_repeats_is_written_once_in_a_while_with_its_count() -> None:
    rarely = Rarely()
    passed = [record for record in (said(0), said(0.1), said(9), said(10.5), said(11)) if rarely.filter(record)]

    assert [record.getMessage() for record in passed] == [
        "no connection to node 1",
        "no connection to node 1 (2 more before it)",
    ]


def test_something_else_that_a_library_says_is_not_kept_back() -> None:
    rarely = Rarely()

    assert all(rarely.filter(said(0, text)) for text in ("no connection to node %s", "node %s is back"))


def test_lines_that_never_repeat_are_not_remembered_for_ever() -> None:
    rarely = Rarely()

    assert all(rarely.filter(said(0, f"request {number} to node %s failed")) for number in range(2_000))
    assert len(rarely._since) <= 500
