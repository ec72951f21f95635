"""Records of the trace topic, each with many hops. A hop is defined in `shared.canonical.hop`.

A record's body is a JSON list of hops. It has no key: its hops belong to many aggregates, and
readers sort by time.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from shared.canonical.hop import OUTCOMES, Hop
from shared.messaging.envelope import Headers

__all__ = ["OUTCOMES", "Hop", "trace_body", "trace_headers"]

TYPE = "tillbridge.trace"


def trace_body(hops: Sequence[Hop]) -> bytes:
    """The body of one trace record."""
    return orjson.dumps([hop.__dict__ for hop in hops], option=orjson.OPT_UTC_Z)


def trace_headers(last: Hop) -> Headers:
    """Headers of a record whose last hop is `last`, for reading the topic by hand."""
    named = {
        "ce_specversion": "1.0",
        "ce_id": f"{last.event_id}:{last.service}:{last.outcome}:{last.finished_at.timestamp():.6f}",
        "ce_source": last.service,
        "ce_type": TYPE,
        "ce_time": last.finished_at.isoformat(),
        "content-type": "application/json",
    }
    return [(name, value.encode()) for name, value in named.items()]
