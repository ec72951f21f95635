"""The history of a run: every change and every fault, appended by the generators and the fault injector.

The checker trusts this file, the sandbox's final state and the topics, but no claim of the product's own database.
One JSON object per line, of one of these kinds (`kind` says which):

{"kind": "mutation", "n": 17, "at": "2026-11-25T12:00:00.123456+00:00", "entity": "order", "order": "5007001001000",
 "name": "#1001", "action": "new", "seq": 1, "details": {"document": {...}}, "status": 200,
 "answer": {"id": ..., "webhook": {"ids": [...]}}, "webhooks": ["<webhook id>", ...], "poison": false,
 "subject": "order"}

    One change that a shopper, the shop's staff or a store made, with the sandbox's answer. `n` numbers all rows of a
    run, `seq` the changes of one order, from 1. `subject` is the kind of record whose lifecycle the change belongs to;
    if it is not an order, `order` and `name` are that record's id and name. `status` is the HTTP status: below 300 the
    change happened; 409: the shop refused it (a cancelled order cannot be paid) and nothing happened. `webhooks` are
    the ids of the deliveries that the change caused. Actions and their details (a generator may add others):

        order       new       {"document": the order as Shopify's JSON, "how": "" | "pending" | "late"}
                    edit      {"add": [line], "remove": [{"line_item_id", "quantity"}]}: one of them or none
                    pay       {"amount": "12.34"}, or null for the whole outstanding amount; the answer has the
                              "transaction" with its amount
                    cancel    {"reason": "customer", "refund": false}
                    goods     {"public_id": the SKU}: Heartland gets the missing item of a "late" order; seq 0
        fulfilment  ship      {"heartland": "S-1001", "lines": [{"line_id", "qty"}] or null for all,
                               "tracking_number": "1Z17-2", "carrier"}; the answer: {"invoice_id", "status",
                               "lines": [{"line_id", "item_id", "sku", "qty"}]}
        poison      publish   see generate/poison.py: {"kind", "dead_letter": identifies the dead letter ("service",
                              "topic", "key", "ce_id"), "repaired": a body that works, or null, "expected_outcome":
                              of the repaired record, "entity", "document": the shop's document of the record, or {}};
                              `poison` is true

    Each new, edit, pay and cancel writes its number into the order: the note becomes "seq <seq>", and the note
    attribute `seq` the number. The note is copied to the Heartland order's custom field `note`.

{"kind": "fault", "at": ..., "fault": "kill", "target": "heartland-writer-2", "began": ..., "healed": ...,
 "details": {}}

    One injected fault, written when it ends; times are ISO 8601 with offset. A kill ends at once: recovering is the
    system's own work. `details` depends on the kind, e.g. {"pid": 123}. "missed" is not a fault but a kill that was
    not possible, because its target was not ready at any time from `began` to `healed`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

Json = dict[str, Any]
MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Mutation:
    """See the top of this module."""

    n: int
    at: str
    entity: str
    order: str
    name: str
    action: str
    seq: int
    details: Json
    status: int
    answer: Json
    webhooks: list[str] = field(default_factory=list)
    poison: bool = False
    subject: str = "order"

    @property
    def happened(self) -> bool:
        return self.status < 300


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """See the top of this module."""

    at: str
    fault: str
    target: str
    began: str
    healed: str
    details: Json = field(default_factory=dict)


class History:
    """Appends to the file, unbuffered: each row is written before the next action begins."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def record_mutation(self, row: Mutation) -> None:
        self._append("mutation", asdict(row))

    def record_fault(self, row: InjectedFault) -> None:
        self._append("fault", asdict(row))

    def close(self) -> None:
        self._file.close()

    def _append(self, kind: str, row: Json) -> None:
        self._file.write(orjson.dumps({"kind": kind, **row}) + b"\n")


def read_mutations(path: Path) -> Iterator[Mutation]:
    return (Mutation(**row) for row in _rows(path, "mutation"))


def read_faults(path: Path) -> Iterator[InjectedFault]:
    return (InjectedFault(**row) for row in _rows(path, "fault"))


def _rows(path: Path, kind: str) -> Iterator[Json]:
    for row in read_rows(path):
        if row.pop("kind") == kind:
            yield row


def read_rows(path: Path) -> Iterator[Json]:
    """The objects of a JSON Lines file."""
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)


def stamp(moment: datetime | None = None) -> str:
    """A moment (default: now) in the format of all evidence files."""
    return (moment or datetime.now(UTC)).isoformat(timespec="microseconds")
