"""Estimates query costs from Shopify's responses, so that batches are as large as possible. Pure."""

from __future__ import annotations

# The maximum cost of one query, on every plan.
QUERY_MAXIMUM = 1000.0


class Costs:
    """Requested cost by document and number of units.

    Cost grows at most about in proportion to the units, so the cost of n units shows how many more fit. If Shopify
    refuses a query as too expensive, no later batch becomes that large.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[int, float]] = {}
        self._ceilings: dict[str, int] = {}
        self.maximum = QUERY_MAXIMUM

    def learn(self, name: str, units: int, requested: float) -> None:
        """Store that a query of `units` units cost `requested` points."""
        self._known.setdefault(name, {})[units] = requested

    def exceeded(self, name: str, units: int) -> None:
        """Store that a query of `units` units exceeded the maximum cost."""
        accepted = max((count for count in self._known.get(name, {}) if count < units), default=1)
        self._ceilings[name] = max(1, (accepted + units - 1) // 2)

    def bucket(self, maximum_available: float) -> None:
        """Store the size of the shop's bucket: on small plans it is below the maximum cost of one query."""
        self.maximum = min(QUERY_MAXIMUM, maximum_available)

    def estimate(self, name: str, units: int, hint: float) -> float:
        """Points to reserve for a query, at most the maximum cost of one."""
        known = self._known.get(name, {})
        return min(known.get(units, units * self._per_unit(name, units, hint)), self.maximum)

    def max_units(self, name: str, hint: float, points: float = QUERY_MAXIMUM) -> int:
        """How many units certainly fit into one query of at most `points`."""
        known = self._known.get(name)
        largest = max(known) if known else 1
        units = max(1, int(min(self.maximum, points) / max(self._per_unit(name, largest, hint), 0.001)))
        return min(units, self._ceilings.get(name, units))

    def _per_unit(self, name: str, units: int, hint: float) -> float:
        known = self._known.get(name, {})
        smaller = [count for count in known if count <= units] or sorted(known)[:1]
        return known[max(smaller)] / max(smaller) if smaller else hint
