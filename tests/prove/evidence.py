"""What a run leaves behind for the checker: a folder of plain files, collected once everything is quiet.

history.jsonl     what was done: see history.py
deliveries.jsonl  Shopify's webhooks as the sandbox sent them, oldest first: {"webhook_id", "event_id", "topic",
                  "resource": order name ("#1001"), "url", "at", "subscription", "attempts", "status": the last
                  answer's (null: none came), "outcome": delivered | failed | dropped | waiting | retrying,
                  "fault": "" | drop | duplicate | reorder | delay}. `delivered` means acknowledged with 2xx.
journal.jsonl     every write that the two vendors received, in order of arrival (the sandbox's own journal):
                  {"number", "at", "system": heartland | shopify, "operation", "method", "path", "body", "status",
                  "response"}. For shopify, `operation` is the mutation's root field, e.g. "fulfillmentCreate".
books.jsonl       both vendors' records at the end, one row per order of the history: {"subject": "order", "order":
                  Shopify's id, "name": "#1001", "shopify": what GET /_sandbox/shopify/orders/{id} answers ("order",
                  "transactions", "fulfillment_orders", "fulfillments", "metafields", "tags"), "heartland": what
                  GET /_sandbox/heartland/orders/{public_id} answers ("order", "lines", "taxes", "payments",
                  "invoices", ...), or null for none}. Heartland's amounts are exact JSON numbers: read them as
                  Decimal. What else has lives has rows of its own kind, with "subject", "order" (its id) and "name".
topics.jsonl      every record of raw.*, canonical.*, trace, dlq.*, alert: {"topic": without prefix, "partition",
                  "offset", "timestamp": ms, "key": text or null, "headers": {name: text}, "value": the JSON value,
                  or {"base64": "..."} where it is none}, by topic, partition, offset.
offsets.jsonl     committed offsets, at each kill and at the end: {"at", "why": "kill heartland-writer-2" | "end",
                  "group": without prefix, "topic": without prefix, "partition", "offset": next to read}.
memory.jsonl      {"at", "process": "heartland-writer-2" | "broker" | "database" | "sandbox", "pid", "rss": bytes},
                  every two seconds.
evidence.json     the rest: paths by name, resumes, kills, faults, poison, settings of the run.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

Json = dict[str, Any]


@dataclass(frozen=True)
class Evidence:
    """One run's evidence. `poison` are the details of the poison mutations: how each dead letter is known.

    `resumes` are seconds, by kind, from the end of each fault until work goes on behind it: see resumes.py. `written`
    are the same for the vendors' faults, where to be parked is not enough. `settings`
    are those that a checker may need: session_timeout_seconds, note_field, order_prefix and alike, and what of the run
    was on: {"reconciler": bool, "dropped_webhooks": 0.01, "mends": bool, "asked": see check/enough.py}. `parked` are
    the keys that are still parked, with why,
    `in_doubt` what the effect ledger says of itself: for counts only, never for a verdict.
    """

    history: Path
    deliveries: Path
    journal: Path
    books: Path
    topics: Path
    offsets: Path
    memory: Path
    seed: int = 0
    minutes: float = 0.0
    resumes: dict[str, list[float]] = field(default_factory=dict)
    written: dict[str, list[float]] = field(default_factory=dict)
    kills: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    poison: list[Json] = field(default_factory=list)
    parked: list[Json] = field(default_factory=list)
    in_doubt: dict[str, int] = field(default_factory=dict)
    settings: Json = field(default_factory=dict)

    @classmethod
    def within(cls, folder: Path, **more: Any) -> Self:
        """Evidence whose files lie in `folder` under their usual names."""
        return cls(**{name: folder / f"{name}.jsonl" for name in FILES}, **more)

    def save(self, folder: Path) -> None:
        """evidence.json: paths are relative to the folder, so that it can be moved."""
        values = asdict(self) | {name: f"{name}.jsonl" for name in FILES}
        (folder / "evidence.json").write_bytes(orjson.dumps(values, option=orjson.OPT_INDENT_2))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """A saved run's, to be checked again."""
        values = orjson.loads((folder / "evidence.json").read_bytes())
        return cls(**values | {name: folder / values[name] for name in FILES})


FILES = ("history", "deliveries", "journal", "books", "topics", "offsets", "memory")
