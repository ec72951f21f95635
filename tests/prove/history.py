"""What was done to the system, appended as it is done: the generator's and the nemesis's own account.

The checker believes this file, the sandbox's books and the topics, and nothing that the product says about itself.
One JSON object per line, of one of these kinds (`kind` says which):

{"kind": "mutation", "n": 17, "at": "2026-11-25T12:00:00.123456+00:00", "entity": "order", "order": "5007001001000",
 "name": "#1001", "action": "new", "seq": 1, "details": {"document": {...}}, "status": 200,
 "answer": {"id": ..., "webhook": {"ids": [...]}}, "webhooks": ["<webhook id>", ...], "poison": false,
 "subject": "order"}

    One change that a shopper, the shop's staff or a store made, with what the sandbox answered. `n` numbers all rows
    of a run, `seq` the changes of one order, from 1. `subject` is whose life it belongs to; where that is no order,
    `order` and `name` are its id and name. `status` is the HTTP status: below 300 the change happened; 409: the shop
    refused it (an order that is cancelled cannot be paid), so nothing happened and nothing is to follow. `webhooks` are
    the ids of the deliveries that the change set off. Actions and their details, unless a generator says its own:

        order       new       {"document": the order as Shopify's JSON, "how": "" | "pending" | "late"}
                    edit      {"add": [line], "remove": [{"line_item_id", "quantity"}]}: one of them or none
                    pay       {"amount": "12.34"}, or null for all that is outstanding; the answer has the
                              "transaction" with its amount
                    cancel    {"reason": "customer", "refund": false}
                    goods     {"public_id": the SKU}: Heartland gets the item that a "late" order waits for; seq 0
        fulfilment  ship      {"heartland": "S-1001", "lines": [{"line_id", "qty"}] or null for all,
                               "tracking_number": "1Z17-2", "carrier"}; the answer: {"invoice_id", "status",
                               "lines": [{"line_id", "item_id", "sku", "qty"}]}
        poison      publish   see generate/poison.py: {"kind", "letter": how the dead letter is known ("service",
                              "topic", "key", "ce_id"), "repaired": the body that would work, or null, "ends": how it
                              ends then, "entity", "document": what it is the record of, as the shop would have it,
                              or {}}; `poison` is true

    Each new, edit, pay and cancel leaves its number in the order: the note becomes "seq <seq>", and so does the note
    attribute `seq`. The note travels on into the Heartland order's custom field `note`.

{"kind": "strike", "at": ..., "strike": "kill", "target": "heartland-writer-2", "began": ..., "healed": ...,
 "details": {}}

    One fault of the nemesis, written when it is over; times are ISO 8601, aware. A kill is over when it is done: what
    follows is the system's own work. `details` has what belongs to the kind, e.g. {"pid": 123}. "missed" is no fault,
    but a kill that did not come about, since its target had not been at work all the while from `began` to `healed`.
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
class Struck:
    """See the top of this module."""

    at: str
    strike: str
    target: str
    began: str
    healed: str
    details: Json = field(default_factory=dict)


class History:
    """Appends to the file; each row is on its way to the disk before the next thing is done."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def mutated(self, row: Mutation) -> None:
        self._append("mutation", asdict(row))

    def struck(self, row: Struck) -> None:
        self._append("strike", asdict(row))

    def close(self) -> None:
        self._file.close()

    def _append(self, kind: str, row: Json) -> None:
        self._file.write(orjson.dumps({"kind": kind, **row}) + b"\n")


def read_mutations(path: Path) -> Iterator[Mutation]:
    return (Mutation(**row) for row in _rows(path, "mutation"))


def read_strikes(path: Path) -> Iterator[Struck]:
    return (Struck(**row) for row in _rows(path, "strike"))


def _rows(path: Path, kind: str) -> Iterator[Json]:
    for row in read_rows(path):
        if row.pop("kind") == kind:
            yield row


def read_rows(path: Path) -> Iterator[Json]:
    """The objects of a file with one JSON object per line."""
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)


def stamp(moment: datetime | None = None) -> str:
    """A moment, or now, as all files of the evidence write it."""
    return (moment or datetime.now(UTC)).isoformat(timespec="microseconds")
