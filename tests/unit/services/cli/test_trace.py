"""The found of an order, as it is told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from services.cli.trace import heading, show
from services.journal.reading import hop_of_raw
from shared.entities.order.spec import ORDER
from shared.messaging.notice import asked_for
from shared.operations.trace import traces
from tests.support.journal import HOP
from tests.support.messaging import NOON, an_envelope

RECEIVED = HOP.model_copy(
    update={
        "service": "ingress", "outcome": "received", "started_at": NOON, "finished_at": NOON, "heartland_id": "",
        "order_number": "", "attempts": 1, "lineage": (), "detail": "shopify.orders/create",
    }
)  # fmt: skip


def test_an_order_is_named_by_what_any_hop_knows() -> None:
    [found] = traces([RECEIVED, HOP])

    assert heading(found) == "order #1001 of main: Shopify 1001, Heartland 100001"


def test_an_order_that_has_only_come_in_says_so() -> None:
    [found] = traces([RECEIVED])

    assert heading(found) == "order (no number yet) of main: Shopify 1001, not in Heartland yet"


def test_two_orders_of_one_number_are_two_traces() -> None:
    assert len(traces([RECEIVED, RECEIVED.model_copy(update={"key": "1002"})])) == 2


def test_every_hop_is_a_line_with_its_times_and_tries(capsys: pytest.CaptureFixture[str]) -> None:
    show(traces([RECEIVED, HOP]), as_json=False)

    lines = capsys.readouterr().out.splitlines()
    written = next(line for line in lines if "heartland_writer" in line)
    assert "1.000 s" in written
    assert "order applied" in written
    assert " 2 " in written
    assert "created (merged 2 notices)" in written


def test_a_notice_that_an_operator_caused_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    headers = replace(an_envelope(), extra=asked_for("review")).headers()
    notice = hop_of_raw(ORDER, ORDER.sources[0], headers, round(NOON.timestamp() * 1000))
    show(traces([notice]), as_json=False)

    [line] = [line for line in capsys.readouterr().out.splitlines() if "order received" in line]
    assert "tillbridge reviews decide" in line


def test_brackets_in_a_detail_are_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    show(traces([HOP.model_copy(update={"detail": "[red]x[/red] [/]"})]), as_json=False)

    assert "[red]x[/red] [/]" in capsys.readouterr().out


def test_programs_get_everything(capsys: pytest.CaptureFixture[str]) -> None:
    show(traces([RECEIVED, HOP.model_copy(update={"finished_at": NOON + timedelta(seconds=2)})]), as_json=True)

    [found] = json.loads(capsys.readouterr().out)
    assert (found["shopify_id"], found["heartland_id"], len(found["hops"])) == ("1001", "100001", 2)
    assert found["hops"][1]["finished_at"].endswith("Z")
