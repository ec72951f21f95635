"""Faults that are switched on over HTTP: which ones there are, when one strikes, how often each did."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from random import Random
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Kind = Literal[
    "throttle",  # 429, or Shopify's THROTTLED; nothing applied
    "concurrency",  # the same, but only while more than `limit` calls are in flight
    "error_before",  # `status` (500), nothing applied
    "error_after",  # applied, then `status` (500)
    "timeout_before",  # no answer for `seconds`, nothing applied
    "timeout_after",  # applied, then no answer for `seconds`
    "garbage",  # applied, then half of the answer
    "html",  # a proxy's error page, nothing applied
    "slow",  # the answer, `seconds` later
    "outage",  # the connection is closed, nothing applied
    "unauthorized",  # 401, as for a revoked token
    "forbidden",  # 403, as for a permission that is missing
    "stale_reads",  # lists leave out what is younger than `seconds`; at Heartland, only ids that `every` divides
    "drop",  # the rest concerns webhooks: never sent
    "duplicate",  # sent twice
    "reorder",  # sent after the next one
    "delay",  # sent `seconds` later
]


class Fault(BaseModel):
    """One switch. `operation` is searched in "METHOD /path", a GraphQL operation's name, or a webhook's topic."""

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
    struck: int = 0

    @field_validator("operation")
    @classmethod
    def _is_a_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a pattern: {error}") from None
        return value

    @property
    def is_spent(self) -> bool:
        return self.times is not None and self.struck >= self.times

    def concerns(self, system: str, operation: str) -> bool:
        return self.system == system and (not self.operation or re.search(self.operation, operation) is not None)


class Faults:
    """The list in force. Faults are asked in the order in which they were given; the first that strikes counts."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._faults: list[Fault] = []

    def __bool__(self) -> bool:
        return bool(self._faults)

    def replace(self, faults: Iterable[dict[str, Any]]) -> None:
        """Raises pydantic's ValidationError, and then leaves the list as it was."""
        self._faults = [Fault.model_validate({k: v for k, v in f.items() if k != "struck"}) for f in faults]

    def clear(self) -> None:
        self._faults = []

    def report(self) -> list[dict[str, Any]]:
        return [fault.model_dump() for fault in self._faults]

    def strikes(self, system: str, operation: str, kinds: Collection[str], in_flight: int = 0) -> Fault | None:
        """The first fault of those kinds that strikes this operation now; it is counted."""
        for fault in self._faults:
            if fault.kind in kinds and not fault.is_spent and fault.concerns(system, operation):
                if fault.kind == "concurrency" and in_flight <= fault.limit:
                    continue
                if fault.rate < 1 and self._random.random() >= fault.rate:
                    continue
                fault.struck += 1
                return fault
        return None

    def read_lag(self, system: str, operation: str = "") -> float:
        """Seconds for which a new record does not show in lists; each asking counts as a strike."""
        fault = self.stale(system, operation)
        return fault.seconds if fault else 0.0

    def stale(self, system: str, operation: str) -> Fault | None:
        return self.strikes(system, operation, ("stale_reads",)) if self._faults else None
