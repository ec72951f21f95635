"""The journal: numbered, exact, readable from any entry."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from services.sandbox.journal import Journal

NOON = datetime(2026, 3, 2, 12, 0, 0, 250, tzinfo=UTC)


def filled(path: str = "") -> Journal:
    journal = Journal(lambda: NOON, path)
    journal.add("heartland", "POST items", "POST", "/api/items", b'{"price": 21.60}', 201, {"location": "/api/items/1"})
    journal.add("shopify", "metafieldsSet", "POST", "/admin/api/2026-10/graphql.json", b'{\n "a": 1}', 200, b'{"b":2}')
    journal.add("heartland", "DELETE webhooks/#", "DELETE", "/api/webhooks/1", None, 200)
    return journal


def test_entries_are_numbered_in_order_of_arrival_with_microseconds() -> None:
    entries = filled().entries()

    assert [entry["number"] for entry in entries] == [1, 2, 3]
    assert entries[0]["at"] == "2026-03-02T12:00:00.000250+00:00"


def test_a_body_is_kept_as_it_was_received() -> None:
    assert b'"body":{"price": 21.60}' in next(filled().lines())


def test_a_body_that_is_no_json_is_kept_as_text() -> None:
    journal = Journal(lambda: NOON)
    journal.add("heartland", "POST items", "POST", "/api/items", b"\xff{", 400)

    assert journal.entries()[0]["body"] == "\ufffd{"


def test_one_system_can_be_read_from_any_point() -> None:
    journal = filled()

    assert [entry["number"] for entry in journal.entries("heartland", after=1)] == [3]
    assert [entry["number"] for entry in journal.entries("heartland", limit=1)] == [1]
    assert journal.entries("heartland", after=99) == []


def test_clearing_starts_the_numbers_again() -> None:
    journal = filled()
    journal.clear()
    journal.add("shopify", "tagsAdd", "POST", "/", {}, 200)

    assert [entry["operation"] for entry in journal.entries()] == ["tagsAdd"]


def test_a_named_file_holds_one_line_for_each_entry_at_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.jsonl"
    journal = filled(str(path))

    assert path.read_bytes().count(b"\n") == 3
    journal.clear()
    journal.add("shopify", "tagsAdd", "POST", "/", {}, 200)
    assert [entry["operation"] for entry in journal.entries()] == ["tagsAdd"]
    assert path.read_bytes().count(b"\n") == 4
