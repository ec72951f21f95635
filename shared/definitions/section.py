"""A section of a connection's settings.

What a merchant may choose for one vendor, or for one entity at one vendor.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict


class Section(BaseModel):
    """Strict: a key that it does not declare is refused. Every setting has a default and a description.

    Text that states a number counts as that number, as it did before settings had versions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


# For a setting by which records that are written already are found again: see `fixed_paths`.
FIXED: JsonDict = {"fixed_once_written": True}
# For a setting that cannot change what is written, so that no record is re-applied for it: see `written_changes`.
NOT_WRITTEN: JsonDict = {"changes_what_is_written": False}
