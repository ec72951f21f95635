"""What a merchant may set for a Heartland account as a whole. Everything has a default.

What the vendor does not document is a flag, with the assumption in its description: the day a real account proves us
wrong, it is switched, not rebuilt.
"""

from __future__ import annotations

from pydantic import Field

from shared.definitions.section import NOT_WRITTEN, Section


class HeartlandSettings(Section):
    empty_refusals: bool = Field(
        False,
        description="Assumed: a 4xx without a body comes from a proxy, not from Heartland; on: it is Heartland's no",
        json_schema_extra=NOT_WRITTEN,
    )
    read_lag_seconds: float = Field(
        10.0,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="Assumed: a write shows in reads after this many seconds at the latest",
        json_schema_extra=NOT_WRITTEN,
    )
