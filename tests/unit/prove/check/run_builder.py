"""Builds the evidence of a small run without violations: two orders, shipments, a poison record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from tests.prove.check import Report, check
from tests.prove.check.entities import ENTITIES, STAGES
from tests.prove.check.entity import Entity, stages_of
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
class SyntheticRun:
    """The rows of each evidence file, and the entities that the checker is given."""

    history: list[Json] = field(default_factory=list)
    deliveries: list[Json] = field(default_factory=list)
    journal: list[Json] = field(default_factory=list)
    final_state: list[Json] = field(default_factory=list)
    topics: list[Json] = field(default_factory=list)
    offsets: list[Json] = field(default_factory=list)
    memory: list[Json] = field(default_factory=list)
    poison: list[Json] = field(default_factory=list)
    parked: list[Json] = field(default_factory=list)
    settings: Json = field(default_factory=lambda: {"note_field": "note", "repairs_dead_letters": True})
    minutes: float = 0.0
    entities: Sequence[Entity] = ENTITIES

    @property
    def services(self) -> dict[str, str]:
        """The service that consumes each topic."""
        return {stage.topic: stage.service for stage in stages_of(self.entities)}

    def check(self, folder: Path) -> Report:
        for name in ("history", "deliveries", "journal", "final_state", "topics", "offsets", "memory"):
            rows = map(_as_recorded, self.topics) if name == "topics" else getattr(self, name)
            lines = [orjson.dumps(row) + b"\n" for row in rows]
            (folder / f"{name}.jsonl").write_bytes(b"".join(lines))
        return check(
            Evidence.within(
                folder, poison=self.poison, parked=self.parked, settings=self.settings, minutes=self.minutes
            ),
            self.entities,
        )

    # History and vendor writes

    def change(self, order: str, action: str, seq: int, details: Json, answer: Json, entity: str = "order") -> None:
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

    # Topics

    def add_record(
        self, topic: str, name: str, order: str, seconds: float, value: Json | None = None, **headers: str
    ) -> Json:
        """Adds a record with the next offset of its topic."""
        offset = sum(row["topic"] == topic for row in self.topics)
        row = {
            "topic": topic, "partition": 0, "offset": offset, "timestamp": round((START + seconds) * 1000),
            "key": key(order), "headers": {"ce_id": name, "ce_type": "a.type", **headers}, "value": value or {},
        }  # fmt: skip
        self.topics.append(row)
        return row

    def add_hop(
        self, topic: str, name: str, order: str, outcome: str, seconds: float, version: str = "", detail: str = ""
    ) -> Json:
        """Adds a hop of the service that consumes the topic."""
        value = {
            "event_id": name, "service": self.services[topic], "connection": "main", "key": order, "outcome": outcome,
            "finished_at": at(seconds), "source_time": version, "detail": detail,
        }  # fmt: skip
        return self.add_record("trace", f"{name}:{outcome}", order, seconds, value)

    def process(self, topic: str, name: str, order: str, outcome: str, seconds: float, **value: Any) -> None:
        """Adds a record and its final hop a moment later."""
        self.add_record(topic, name, order, seconds, value)
        self.add_hop(topic, name, order, outcome, seconds + 0.1, version=at(seconds))

    def hops(self, name: str) -> list[Json]:
        return [row for row in self.topics if row["topic"] == "trace" and row["value"]["event_id"] == name]

    def records(self, name: str) -> list[Json]:
        """The records of an event, without hops and dead letters."""
        return [row for row in self.topics if row["headers"]["ce_id"] == name and row["topic"] in self.services]

    def dead_letter(self, name: str) -> Json:
        return next(row for row in self.topics if row["topic"].startswith("dlq.") and row["headers"]["ce_id"] == name)

    def heartland(self, order: str) -> Json:
        return next(row["heartland"] for row in self.final_state if row["order"] == order)

    def shopify(self, order: str) -> Json:
        return next(row["shopify"] for row in self.final_state if row["order"] == order)


def _as_recorded(row: Json) -> Json:
    """The row as on the topic, where the value of a trace record is a list of hops."""
    return {**row, "value": [row["value"]]} if row["topic"] == "trace" else row


def clean_run() -> SyntheticRun:
    run = SyntheticRun()
    _paid_and_shipped(run)
    _cancelled(run)
    _poisoned(run)
    for stage in STAGES:
        count = sum(row["topic"] == stage.topic for row in run.topics)
        row = {"group": stage.group, "topic": stage.topic, "partition": 0, "offset": count}
        run.offsets.append({"at": at(100), "why": "end", **row})
    run.memory += [{"at": at(n * 10), "process": "poller", "pid": 7, "rss": 50_000_000} for n in range(30)]
    return run


def _document(order: str, transactions: list[Json]) -> Json:
    line = {
        "id": int(order) * 10, "sku": "MUG", "quantity": 2, "price": "10.00",
        "discount_allocations": [{"amount": "1.00"}], "tax_lines": [{"title": "Tax", "price": "1.50"}],
    }  # fmt: skip
    return {
        "id": int(order), "name": f"#{order}", "taxes_included": False, "total_tax": "1.50", "total_price": "25.50",
        "line_items": [line], "transactions": transactions,
    }  # fmt: skip


def _paid_and_shipped(run: SyntheticRun) -> None:
    """An order placed and paid, a line added, the rest paid, shipped in two parts."""
    paid = {"id": 901, "kind": "sale", "status": "success", "amount": "25.50"}
    run.change(PAID, "new", 1, {"document": _document(PAID, [paid]), "how": ""}, {})
    added = {"line_items": {"additions": [{"id": 777, "delta": 1}], "removals": []}}
    cap = {"sku": "CAP", "quantity": 1, "price": "8.00"}
    run.change(PAID, "edit", 2, {"add": [cap]}, {"order_edit": added})
    run.change(PAID, "pay", 3, {"amount": None}, {"transaction": {"id": 902, "amount": "8.00"}})
    for part, (number, status, lines) in enumerate(_PARTS, 1):
        details = {"heartland": f"S-{PAID}", "lines": None, "tracking_number": f"1Z{PAID}-{part}"}
        run.change(PAID, "ship", 0, details, {"invoice_id": number, "status": status, "lines": lines}, "fulfilment")
    _webhook(run, PAID, "w1", "c1", 1)
    _webhook(run, PAID, "w2", "c2", 11)
    run.process("canonical.link", "l1", PAID, "applied", 4)
    for number, seconds in ((31, 30), (32, 40)):
        run.process("raw.heartland.fulfilment", f"i{number}", PAID, "published", seconds, invoice={"id": number})
        run.process("canonical.fulfilment", f"f{number}", PAID, "applied", seconds + 1, lineage=[f"i{number}"])
    _written(run)
    _final_state_of_paid(run)


_PARTS = (
    (31, "open", [{"line_id": 61, "sku": "MUG", "qty": 2}]),
    (32, "closed", [{"line_id": 62, "sku": "CAP", "qty": 1}]),
)


def _webhook(run: SyntheticRun, order: str, notice: str, event: str, seconds: float) -> None:
    run.deliveries.append(
        {"webhook_id": notice, "topic": "orders/updated", "resource": f"#{order}", "outcome": "delivered"}
    )
    run.process("raw.shopify.order", notice, order, "published", seconds)
    run.process("canonical.order", event, order, "applied", seconds + 1, lineage=[notice])


def _written(run: SyntheticRun) -> None:
    path = "/api/sales/orders/41"
    run.write("POST customers", "/api/customers", {"email": "a@example.com"}, {"location": "/api/customers/21"}, 201)
    run.write("POST sales/orders", "/api/sales/orders", _header(PAID, "seq 1"), {"location": path}, 201)
    for number, (line_id, price) in enumerate((("50010", 9.5), ("777", 8.0)), 61):
        body = {"adjusted_unit_price": price, "custom": {"shopify_line_id": line_id}}
        run.write("POST sales/orders/#/lines", f"{path}/lines", body, {"location": f"{path}/lines/{number}"}, 201)
    for line_id in ("901", "902"):
        body = {"custom": {"shopify_transaction_id": line_id}}
        run.write("POST sales/orders/#/payments", f"{path}/payments", body, {"location": "x"}, 201)
    run.write("PUT sales/orders/#", path, {"custom@note": "seq 3"})
    for part, line in ((1, "81"), (2, "82")):
        run.write("fulfillmentCreate", "/graphql.json", shipment(f"1Z{PAID}-{part}", line), MADE)


MADE = {"data": {"fulfillmentCreate": {"fulfillment": {"id": "gid://shopify/Fulfillment/1"}, "userErrors": []}}}


def shipment(number: str, line: str) -> Json:
    lines = [{"id": f"gid://shopify/FulfillmentOrderLineItem/{line}", "quantity": 1}]
    parts = [{"fulfillmentOrderId": "gid://shopify/FulfillmentOrder/8", "fulfillmentOrderLineItems": lines}]
    given = {"lineItemsByFulfillmentOrder": parts, "trackingInfo": {"number": number}}
    return {"variables": {"fulfillment": given}}


def _header(order: str, note: str) -> Json:
    return {"public_id": f"S-{order}", "custom": {"shopify_order_id": order, "note": note}}


def _final_state_of_paid(run: SyntheticRun) -> None:
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
    heartland = _heartland_order(41, PAID, "closed", 33.5, "seq 3", lines, payments)
    _add_final_state(run, PAID, heartland, fulfilments)


def _heartland_order(
    number: int, order: str, status: str, total: float, note: str, lines: list[Json], payments: list[Json]
) -> Json:
    return {
        "order": {"id": number, "status": status, "total": total, "custom": {"shopify_order_id": order, "note": note}},
        "lines": lines,
        "taxes": [{"description": "Tax", "value": 1.5}],
        "payments": payments,
    }


def _add_final_state(run: SyntheticRun, order: str, heartland: Json, fulfilments: list[Json]) -> None:
    metafields_ = {"heartland_order_id": str(heartland["order"]["id"]), "heartland_order_number": f"S-{order}"}
    metafields = [{"namespace": "tillbridge", "key": name, "value": value} for name, value in metafields_.items()]
    shop = {"metafields": metafields, "fulfillments": fulfilments}
    run.final_state.append({"order": order, "name": f"#{order}", "shopify": shop, "heartland": heartland})


def _cancelled(run: SyntheticRun) -> None:
    run.change(CANCELLED, "new", 1, {"document": _document(CANCELLED, []), "how": "pending"}, {})
    run.change(CANCELLED, "cancel", 2, {"reason": "customer", "refund": False}, {})
    _webhook(run, CANCELLED, "w3", "c3", 21)
    path = "/api/sales/orders/42"
    run.write("POST sales/orders", "/api/sales/orders", _header(CANCELLED, "seq 2"), {"location": path}, 201)
    lines = [{"id": 63, "qty": 2, "adjusted_unit_price": 9.5, "custom": {"shopify_line_id": "50020"}}]
    _add_final_state(run, CANCELLED, _heartland_order(42, CANCELLED, "canceled", 25.5, "seq 2", lines, []), [])


def _poisoned(run: SyntheticRun) -> None:
    dead_letter = {"service": "heartland_writer", "topic": "canonical.order", "key": key(POISON), "ce_id": POISON}
    run.poison.append(
        {"kind": "a future schema", "dead_letter": dead_letter, "repaired": REPAIRED, "expected_outcome": "applied"}
    )
    run.change("", "publish", 0, run.poison[0], {}, "poison")
    record = run.add_record("canonical.order", POISON, POISON, 50, {"schema_name": "tillbridge.order/9"})
    run.add_hop("canonical.order", POISON, POISON, "dead_letter", 50.2)
    values = {
        "version": "0.1", "orig-topic": "canonical.order", "orig-partition": "0", "orig-offset": str(record["offset"]),
        "orig-ts": str(record["timestamp"]), "orig-key": record["key"], "reason": "not a canonical order",
        "error-class": "Rejected", "attempts": "1", "first-failed": at(50), "last-failed": at(50), "retriable": "false",
        "replay-count": "0",
    }  # fmt: skip
    headers = record["headers"] | {f"x-dlq-{name}": value for name, value in values.items()}
    run.topics.append({**record, "topic": "dlq.heartland_writer", "offset": 0, "headers": headers})
    again = {"x-replay-id": "r1", "x-edited-from": POISON}
    run.add_record("canonical.order", EDITED, POISON, 80, REPAIRED, **again)
    run.add_hop("canonical.order", EDITED, POISON, "applied", 80.2)
