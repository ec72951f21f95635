"""A section of a connection's settings: what a merchant may choose for one vendor, or for one entity at one vendor."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Strict: a key that it does not declare is refused. Every setting has a default and a description.

    Values are read as JSON states them: text is no number, and 1 is no boolean.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
