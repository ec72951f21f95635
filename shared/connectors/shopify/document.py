"""A GraphQL query or mutation as the client sends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Document:
    """A query or mutation. `cost_hint` are points per unit until a reply tells better.

    `per` names the list variable whose length counts the units ('' for one). Denied access to a field whose name is
    in `may_lack` is not an error: its value is null then.
    """

    name: str
    text: str
    cost_hint: float = 10
    per: str = ""
    may_lack: frozenset[str] = frozenset()

    @cached_property
    def mutates(self) -> bool:
        return self.text.lstrip().startswith("mutation")

    def units(self, variables: Mapping[str, object]) -> int:
        listed = variables.get(self.per) if self.per else None
        return max(1, len(listed)) if isinstance(listed, (list, tuple)) else 1


# What a shop without approval for protected customer data, or on a small plan, does not show.
PERSONAL = frozenset(
    {
        "customer", "email", "phone", "billingAddress", "shippingAddress", "firstName", "lastName",
        "defaultEmailAddress", "defaultPhoneNumber",
    }
)  # fmt: skip
