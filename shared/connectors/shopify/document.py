"""A GraphQL query or mutation as the client sends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Document:
    """A query or mutation.

    `cost_hint` is its estimated cost in points per unit until a response shows the real cost.

    `per` names the list variable whose length is the number of units ('' for one unit). If access to one of
    `optional_fields` is denied, that is no error: its value is null then.
    """

    name: str
    text: str
    cost_hint: float = 10
    per: str = ""
    optional_fields: frozenset[str] = frozenset()

    @cached_property
    def mutates(self) -> bool:
        return self.text.lstrip().startswith("mutation")

    def units(self, variables: Mapping[str, object]) -> int:
        listed = variables.get(self.per) if self.per else None
        return max(1, len(listed)) if isinstance(listed, (list, tuple)) else 1


# Fields to which access is denied on small plans, and without approval for protected customer data.
PERSONAL = frozenset(
    {
        "customer", "email", "phone", "billingAddress", "shippingAddress", "firstName", "lastName",
        "defaultEmailAddress", "defaultPhoneNumber",
    }
)  # fmt: skip
