"""The base of every canonical value."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class CanonicalRecord(BaseModel):
    """A canonical value: immutable; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")
