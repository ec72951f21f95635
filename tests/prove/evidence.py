"""The evidence of a run: a folder of plain files, collected once the system is quiescent; the checker's only input.

history.jsonl     changes and faults: see history.py
deliveries.jsonl  Shopify's webhooks as the sandbox sent them, oldest first: {"webhook_id", "event_id", "topic",
                  "resource": order name ("#1001"), "url", "at", "subscription", "attempts", "status": of the last
                  answer (null: none), "outcome": delivered | failed | dropped | waiting | retrying,
                  "fault": "" | drop | duplicate | reorder | delay}. `delivered` means acknowledged with 2xx.
journal.jsonl     every write that the two vendors received, in order of arrival (the sandbox's own journal):
                  {"number", "at", "system": heartland | shopify, "operation", "method", "path", "body", "status",
                  "response"}. For shopify, `operation` is the mutation's root field, e.g. "fulfillmentCreate".
final_state.jsonl both vendors' records at the end, one row per subject of the history: {"subject": "order", "order":
                  Shopify's id, "name": "#1001", "shopify": what GET /_sandbox/shopify/orders/{id} answers ("order",
                  "transactions", "fulfillment_orders", "fulfillments", "metafields", "tags"), "heartland": what
                  GET /_sandbox/heartland/orders/{public_id} answers ("order", "lines", "taxes", "payments",
                  "invoices", ...), or null for none}. Heartland's amounts are exact JSON numbers: read them as
                  Decimal. Rows of other subjects also have "subject", "order" (the subject's id) and "name".
topics.jsonl      every record of raw.*, canonical.*, trace, dlq.*, alert: {"topic": without prefix, "partition",
                  "offset", "timestamp": ms, "key": text or null, "headers": {name: text}, "value": the JSON value,
                  or {"base64": "..."} if it is not JSON}, by topic, partition, offset.
offsets.jsonl     committed offsets, at each kill and at the end: {"at", "why": "kill heartland-writer-2" | "end",
                  "group": without prefix, "topic": without prefix, "partition", "offset": next to read}.
memory.jsonl      {"at", "process": "heartland-writer-2" | "broker" | "database" | "sandbox", "pid", "rss": bytes},
                  every two seconds.
evidence.json     the fields of `Evidence`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

Json = dict[str, Any]


@dataclass(frozen=True)
class Evidence:
    """One run's evidence.

    - `resume_seconds`: by kind of fault, seconds from its end until work resumes, for faults after which no other one
      affected the same work; `resume_seconds_overlapped`: for all other faults. See recovery.py.
      `resume_seconds_to_write`: the same for vendor faults, where a parked record does not count as resumed.
    - `poison`: details of the poison records, which identify the expected dead letters.
    - `parked`: keys that are still parked, with reason. `in_doubt`: counts from the effect ledger, for display only.
    - `settings`: what the checker needs to know (session_timeout_seconds, note_field, order_prefix, ...) and what the
      run included: {"reconciler": bool, "dropped_webhooks": 0.01, "repairs_dead_letters": bool, "required": see
      check/sufficient_load.py}.
    """

    history: Path
    deliveries: Path
    journal: Path
    final_state: Path
    topics: Path
    offsets: Path
    memory: Path
    seed: int = 0
    minutes: float = 0.0
    resume_seconds: dict[str, list[float]] = field(default_factory=dict)
    resume_seconds_overlapped: dict[str, list[float]] = field(default_factory=dict)
    resume_seconds_to_write: dict[str, list[float]] = field(default_factory=dict)
    kills: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    poison: list[Json] = field(default_factory=list)
    parked: list[Json] = field(default_factory=list)
    in_doubt: dict[str, int] = field(default_factory=dict)
    settings: Json = field(default_factory=dict)

    @classmethod
    def within(cls, folder: Path, **more: Any) -> Self:
        """Evidence whose files are in `folder` under their standard names."""
        return cls(**{name: folder / f"{name}.jsonl" for name in FILES}, **more)

    def save(self, folder: Path) -> None:
        """Writes evidence.json; its paths are relative, so that the folder can be moved."""
        values = asdict(self) | {name: f"{name}.jsonl" for name in FILES}
        (folder / "evidence.json").write_bytes(orjson.dumps(values, option=orjson.OPT_INDENT_2))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads a saved run, to be checked again."""
        values = orjson.loads((folder / "evidence.json").read_bytes())
        return cls(**values | {name: folder / values[name] for name in FILES})


FILES = ("history", "deliveries", "journal", "final_state", "topics", "offsets", "memory")
