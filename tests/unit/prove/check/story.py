"""A run made by hand, small and clean: two orders, a shipment, a poisoned record. Tests damage it in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from tests.prove.check import Report, check
from tests.prove.check.entities import ENTITIES, STEPS
from tests.prove.check.entity import Entity, steps_of
from tests.prove.evidence import Evidence

Json = dict[str, Any]
START = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()
PAID, CANCELLED = "5001", "5002"
POISON = "poison-1"
EDITED = f"{POISON}:edit:1"
REPAIRED = {"schema_name": "tillbridge.order/1"}


def at(seconds: float) -> str:
    return datetime.fromtimestamp(START + seconds, UTC).isoformat(timespec="microseconds")


def key(order: str) -> str:
    return f"main|{order}"


@dataclass
class Story:
    """The rows of each file of the evidence, and the entities that they tell of."""

    history: list[Json] = field(default_factory=list)
    deliveries: list[Json] = field(default_factory=list)
    journal: list[Json] = field(default_factory=list)
    books: list[Json] = field(default_factory=list)
    topics: list[Json] = field(default_factory=list)
    offsets: list[Json] = field(default_factory=list)
    memory: list[Json] = field(default_factory=list)
    poison: list[Json] = field(default_factory=list)
    parked: list[Json] = field(default_factory=list)
    settings: Json = field(default_factory=lambda: {"note_field": "note", "mends": True})
    minutes: float = 0.0
    entities: Sequence[Entity] = ENTITIES

    @property
    def services(self) -> dict[str, str]:
        """Who reads each topic."""
        return {step.topic: step.service for step in steps_of(self.entities)}

    def check(self, folder: Path) -> Report:
        for name in ("history", "deliveries", "journal", "books", "topics", "offsets", "memory"):
            rows = map(_as_recorded, self.topics) if name == "topics" else getattr(self, name)
            lines = [orjson.dumps(row) + b"\n" for row in rows]
            (folder / f"{name}.jsonl").write_bytes(b"".join(lines))
        return check(
            Evidence.within(
                folder, poison=self.poison, parked=self.parked, settings=self.settings, minutes=self.minutes
            ),
            self.entities,
        )

    # What was done

    def mutate(self, order: str, action: str, seq: int, details: Json, answer: Json, entity: str = "order") -> None:
        self.history.append(
            {
                "kind": "mutation", "n": len(self.history) + 1, "at": at(len(self.history)), "entity": entity,
                "order": order, "name": f"#{order}" if order else "", "action": action, "seq": seq,
                "details": details, "status": 200, "answer": answer, "webhooks": [], "poison": entity == "poison",
            }
        )  # fmt: skip

    def write(self, operation: str, path: str, body: Json, response: Json | None = None, status: int = 200) -> None:
        system = "shopify" if operation in ("fulfillmentCreate", "metafieldsSet") else "heartland"
        self.journal.append(
            {
                "number": len(self.journal) + 1, "at": at(len(self.journal)), "system": system, "operation": operation,
                "method": operation.partition(" ")[0], "path": path, "body": body, "status": status,
                "response": response,
            }
        )  # fmt: skip

    # What is on the topics

    def put(self, topic: str, name: str, order: str, seconds: float, value: Json | None = None, **headers: str) -> Json:
        """A record, and the offset it got."""
        offset = sum(row["topic"] == topic for row in self.topics)
        row = {
            "topic": topic, "partition": 0, "offset": offset, "timestamp": round((START + seconds) * 1000),
            "key": key(order), "headers": {"ce_id": name, "ce_type": "a.type", **headers}, "value": value or {},
        }  # fmt: skip
        self.topics.append(row)
        return row

    def say(
        self, topic: str, name: str, order: str, outcome: str, seconds: float, version: str = "", detail: str = ""
    ) -> Json:
        """A hop: what the reader of that topic said of that event."""
        value = {
            "event_id": name, "service": self.services[topic], "connection": "main", "key": order, "outcome": outcome,
            "finished_at": at(seconds), "source_time": version, "detail": detail,
        }  # fmt: skip
        return self.put("trace", f"{name}:{outcome}", order, seconds, value)

    def travel(self, topic: str, name: str, order: str, outcome: str, seconds: float, **value: Any) -> None:
        """A record, and its end a moment later."""
        self.put(topic, name, order, seconds, value)
        self.say(topic, name, order, outcome, seconds + 0.1, version=at(seconds))

    def hops(self, name: str) -> list[Json]:
        return [row for row in self.topics if row["topic"] == "trace" and row["value"]["event_id"] == name]

    def records(self, name: str) -> list[Json]:
        """Of the road: without hops and dead letters."""
        return [row for row in self.topics if row["headers"]["ce_id"] == name and row["topic"] in self.services]

    def letter(self, name: str) -> Json:
        return next(row for row in self.topics if row["topic"].startswith("dlq.") and row["headers"]["ce_id"] == name)

    def heartland(self, order: str) -> Json:
        return next(row["heartland"] for row in self.books if row["order"] == order)

    def shopify(self, order: str) -> Json:
        return next(row["shopify"] for row in self.books if row["order"] == order)


def _as_recorded(row: Json) -> Json:
    """A row as the topic has it: a trace record is a list of hops."""
    return {**row, "value": [row["value"]]} if row["topic"] == "trace" else row


def clean() -> Story:
    story = Story()
    _paid_and_shipped(story)
    _cancelled(story)
    _poisoned(story)
    for step in STEPS:
        count = sum(row["topic"] == step.topic for row in story.topics)
        row = {"group": step.group, "topic": step.topic, "partition": 0, "offset": count}
        story.offsets.append({"at": at(100), "why": "end", **row})
    story.memory += [{"at": at(n * 10), "process": "poller", "pid": 7, "rss": 50_000_000} for n in range(30)]
    return story


def _document(order: str, transactions: list[Json]) -> Json:
    line = {
        "id": int(order) * 10, "sku": "MUG", "quantity": 2, "price": "10.00",
        "discount_allocations": [{"amount": "1.00"}], "tax_lines": [{"title": "Tax", "price": "1.50"}],
    }  # fmt: skip
    return {
        "id": int(order), "name": f"#{order}", "taxes_included": False, "total_tax": "1.50", "total_price": "25.50",
        "line_items": [line], "transactions": transactions,
    }  # fmt: skip


def _paid_and_shipped(story: Story) -> None:
    """Placed and paid, a cap added, the rest paid, shipped in two parts."""
    paid = {"id": 901, "kind": "sale", "status": "success", "amount": "25.50"}
    story.mutate(PAID, "new", 1, {"document": _document(PAID, [paid]), "how": ""}, {})
    added = {"line_items": {"additions": [{"id": 777, "delta": 1}], "removals": []}}
    cap = {"sku": "CAP", "quantity": 1, "price": "8.00"}
    story.mutate(PAID, "edit", 2, {"add": [cap]}, {"order_edit": added})
    story.mutate(PAID, "pay", 3, {"amount": None}, {"transaction": {"id": 902, "amount": "8.00"}})
    for part, (number, status, lines) in enumerate(_PARTS, 1):
        details = {"heartland": f"S-{PAID}", "lines": None, "tracking_number": f"1Z{PAID}-{part}"}
        story.mutate(PAID, "ship", 0, details, {"invoice_id": number, "status": status, "lines": lines}, "fulfilment")
    _notices(story, PAID, "w1", "c1", 1)
    _notices(story, PAID, "w2", "c2", 11)
    story.travel("canonical.link", "l1", PAID, "applied", 4)
    for number, seconds in ((31, 30), (32, 40)):
        story.travel("raw.heartland.fulfilment", f"i{number}", PAID, "published", seconds, invoice={"id": number})
        story.travel("canonical.fulfilment", f"f{number}", PAID, "applied", seconds + 1, lineage=[f"i{number}"])
    _written(story)
    _booked(story)


_PARTS = (
    (31, "open", [{"line_id": 61, "sku": "MUG", "qty": 2}]),
    (32, "closed", [{"line_id": 62, "sku": "CAP", "qty": 1}]),
)


def _notices(story: Story, order: str, notice: str, event: str, seconds: float) -> None:
    story.deliveries.append(
        {"webhook_id": notice, "topic": "orders/updated", "resource": f"#{order}", "outcome": "delivered"}
    )
    story.travel("raw.shopify.order", notice, order, "published", seconds)
    story.travel("canonical.order", event, order, "applied", seconds + 1, lineage=[notice])


def _written(story: Story) -> None:
    path = "/api/sales/orders/41"
    story.write("POST customers", "/api/customers", {"email": "a@example.com"}, {"location": "/api/customers/21"}, 201)
    story.write("POST sales/orders", "/api/sales/orders", _header(PAID, "seq 1"), {"location": path}, 201)
    for number, (mark, price) in enumerate((("50010", 9.5), ("777", 8.0)), 61):
        body = {"adjusted_unit_price": price, "custom": {"shopify_line_id": mark}}
        story.write("POST sales/orders/#/lines", f"{path}/lines", body, {"location": f"{path}/lines/{number}"}, 201)
    for mark in ("901", "902"):
        body = {"custom": {"shopify_transaction_id": mark}}
        story.write("POST sales/orders/#/payments", f"{path}/payments", body, {"location": "x"}, 201)
    story.write("PUT sales/orders/#", path, {"custom@note": "seq 3"})
    for part, line in ((1, "81"), (2, "82")):
        story.write("fulfillmentCreate", "/graphql.json", shipment(f"1Z{PAID}-{part}", line), MADE)


MADE = {"data": {"fulfillmentCreate": {"fulfillment": {"id": "gid://shopify/Fulfillment/1"}, "userErrors": []}}}


def shipment(number: str, line: str) -> Json:
    lines = [{"id": f"gid://shopify/FulfillmentOrderLineItem/{line}", "quantity": 1}]
    parts = [{"fulfillmentOrderId": "gid://shopify/FulfillmentOrder/8", "fulfillmentOrderLineItems": lines}]
    wish = {"lineItemsByFulfillmentOrder": parts, "trackingInfo": {"number": number}}
    return {"variables": {"fulfillment": wish}}


def _header(order: str, note: str) -> Json:
    return {"public_id": f"S-{order}", "custom": {"shopify_order_id": order, "note": note}}


def _booked(story: Story) -> None:
    lines = [
        {"id": 61, "qty": 2, "adjusted_unit_price": 9.5, "custom": {"shopify_line_id": "50010"}},
        {"id": 62, "qty": 1, "adjusted_unit_price": 8.0, "custom": {"shopify_line_id": "777"}},
    ]
    payments = [
        {"amount": 25.5, "custom": {"shopify_transaction_id": "901"}},
        {"amount": 8.0, "custom": {"shopify_transaction_id": "902"}},
    ]
    fulfilments = [
        {"tracking_number": f"1Z{PAID}-1", "status": "success", "line_items": [{"sku": "MUG", "quantity": 2}]},
        {"tracking_number": f"1Z{PAID}-2", "status": "success", "line_items": [{"sku": "CAP", "quantity": 1}]},
    ]
    heartland = _picture(41, PAID, "closed", 33.5, "seq 3", lines, payments)
    _book(story, PAID, heartland, fulfilments)


def _picture(
    number: int, order: str, status: str, total: float, note: str, lines: list[Json], payments: list[Json]
) -> Json:
    return {
        "order": {"id": number, "status": status, "total": total, "custom": {"shopify_order_id": order, "note": note}},
        "lines": lines,
        "taxes": [{"description": "Tax", "value": 1.5}],
        "payments": payments,
    }


def _book(story: Story, order: str, heartland: Json, fulfilments: list[Json]) -> None:
    notes = {"heartland_order_id": str(heartland["order"]["id"]), "heartland_order_number": f"S-{order}"}
    metafields = [{"namespace": "tillbridge", "key": name, "value": value} for name, value in notes.items()]
    shop = {"metafields": metafields, "fulfillments": fulfilments}
    story.books.append({"order": order, "name": f"#{order}", "shopify": shop, "heartland": heartland})


def _cancelled(story: Story) -> None:
    story.mutate(CANCELLED, "new", 1, {"document": _document(CANCELLED, []), "how": "pending"}, {})
    story.mutate(CANCELLED, "cancel", 2, {"reason": "customer", "refund": False}, {})
    _notices(story, CANCELLED, "w3", "c3", 21)
    path = "/api/sales/orders/42"
    story.write("POST sales/orders", "/api/sales/orders", _header(CANCELLED, "seq 2"), {"location": path}, 201)
    lines = [{"id": 63, "qty": 2, "adjusted_unit_price": 9.5, "custom": {"shopify_line_id": "50020"}}]
    _book(story, CANCELLED, _picture(42, CANCELLED, "canceled", 25.5, "seq 2", lines, []), [])


def _poisoned(story: Story) -> None:
    letter = {"service": "heartland_writer", "topic": "canonical.order", "key": key(POISON), "ce_id": POISON}
    story.poison.append({"kind": "a future schema", "letter": letter, "repaired": REPAIRED, "ends": "applied"})
    story.mutate("", "publish", 0, story.poison[0], {}, "poison")
    record = story.put("canonical.order", POISON, POISON, 50, {"schema_name": "tillbridge.order/9"})
    story.say("canonical.order", POISON, POISON, "dead_letter", 50.2)
    said = {
        "version": "0.1", "orig-topic": "canonical.order", "orig-partition": "0", "orig-offset": str(record["offset"]),
        "orig-ts": str(record["timestamp"]), "orig-key": record["key"], "reason": "not a canonical order",
        "error-class": "Rejected", "attempts": "1", "first-failed": at(50), "last-failed": at(50), "retriable": "false",
        "replay-count": "0",
    }  # fmt: skip
    headers = record["headers"] | {f"x-dlq-{name}": value for name, value in said.items()}
    story.topics.append({**record, "topic": "dlq.heartland_writer", "offset": 0, "headers": headers})
    again = {"x-replay-id": "r1", "x-edited-from": POISON}
    story.put("canonical.order", EDITED, POISON, 80, REPAIRED, **again)
    story.say("canonical.order", EDITED, POISON, "applied", 80.2)
