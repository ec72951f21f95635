"""The injectable faults: their kinds, which calls they affect, and how often each was injected."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from random import Random
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Kind = Literal[
    "throttle",  # 429, or Shopify's THROTTLED; not applied
    "concurrency",  # the same, only while more than `limit` calls are in flight
    "error_before",  # `status` (500), not applied
    "error_after",  # applied, then `status` (500)
    "timeout_before",  # no answer for `seconds`, not applied
    "timeout_after",  # applied, then no answer for `seconds`
    "garbage",  # applied, then a truncated answer
    "html",  # a proxy's HTML error page, not applied
    "slow",  # applied, then the answer after `seconds`
    "outage",  # the connection is closed, not applied
    "unauthorized",  # 401, as with a revoked token
    "forbidden",  # 403, as with a missing permission
    "stale_reads",  # lists omit records younger than `seconds`; at Heartland only those whose id `every` divides
    "drop",  # this and the following are for webhooks: never sent
    "duplicate",  # sent twice
    "reorder",  # sent after the next one
    "delay",  # sent `seconds` later
]


class Fault(BaseModel):
    """One fault. `operation` is a pattern: of "METHOD /path", a GraphQL operation or a webhook topic."""

    model_config = ConfigDict(extra="forbid")

    system: Literal["heartland", "shopify", "webhooks"]
    kind: Kind
    operation: str = ""
    rate: float = Field(1.0, ge=0, le=1)
    times: int | None = Field(None, ge=0)
    seconds: float = Field(0.0, ge=0)
    retry_after: float | None = Field(None, ge=0)
    status: int | None = Field(None, ge=200, le=599)
    limit: int = Field(0, ge=0)
    every: int = Field(1, ge=1)
    hits: int = 0

    @field_validator("operation")
    @classmethod
    def _is_a_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value

    @property
    def is_exhausted(self) -> bool:
        return self.times is not None and self.hits >= self.times

    def matches(self, system: str, operation: str) -> bool:
        return self.system == system and (not self.operation or re.search(self.operation, operation) is not None)


class Faults:
    """The active faults. They are tried in the given order; the first one that applies is injected."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._faults: list[Fault] = []

    def __bool__(self) -> bool:
        return bool(self._faults)

    def replace(self, faults: Iterable[dict[str, Any]]) -> None:
        """Replaces all faults. Raises pydantic's ValidationError and then changes nothing."""
        self._faults = [Fault.model_validate({k: v for k, v in f.items() if k != "hits"}) for f in faults]

    def clear(self) -> None:
        self._faults = []

    def report(self) -> list[dict[str, Any]]:
        return [fault.model_dump() for fault in self._faults]

    def trigger(self, system: str, operation: str, kinds: Collection[str], in_flight: int = 0) -> Fault | None:
        """The first fault of these kinds that applies to this operation now; counts it in `hits`."""
        for fault in self._faults:
            if fault.kind in kinds and not fault.is_exhausted and fault.matches(system, operation):
                if fault.kind == "concurrency" and in_flight <= fault.limit:
                    continue
                if fault.rate < 1 and self._random.random() >= fault.rate:
                    continue
                fault.hits += 1
                return fault
        return None

    def read_lag(self, system: str, operation: str = "") -> float:
        """Seconds for which new records are missing from lists; 0 without a fault. Counts as a hit."""
        fault = self.stale(system, operation)
        return fault.seconds if fault else 0.0

    def stale(self, system: str, operation: str) -> Fault | None:
        return self.trigger(system, operation, ("stale_reads",)) if self._faults else None
