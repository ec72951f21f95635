"""Learns from Shopify's responses what queries cost, so that a batch fills one query. Pure."""

from __future__ import annotations

# The most one query may ask for, whatever the plan.
QUERY_MAXIMUM = 1000.0


class Costs:
    """Requested cost by document and number of units.

    Cost grows at most about in proportion to the units, so the cost of n units shows how many more fit. Where the
    estimate is too high, Shopify refuses the query, and no batch gets that large again.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[int, float]] = {}
        self._ceilings: dict[str, int] = {}
        self.maximum = QUERY_MAXIMUM

    def learn(self, name: str, units: int, requested: float) -> None:
        """A query of `units` units was charged `requested` points."""
        self._known.setdefault(name, {})[units] = requested

    def exceeded(self, name: str, units: int) -> None:
        """So many units were more than one query may cost."""
        good = max((count for count in self._known.get(name, {}) if count < units), default=1)
        self._ceilings[name] = max(1, (good + units - 1) // 2)

    def bucket(self, maximum_available: float) -> None:
        """The size of the shop's bucket: on small plans it is below the maximum cost of one query."""
        self.maximum = min(QUERY_MAXIMUM, maximum_available)

    def estimate(self, name: str, units: int, hint: float) -> float:
        """Points to reserve for a query, never more than one may cost."""
        known = self._known.get(name, {})
        return min(known.get(units, units * self._per_unit(name, units, hint)), self.maximum)

    def fitting(self, name: str, hint: float, points: float = QUERY_MAXIMUM) -> int:
        """How many units certainly fit into one query of at most `points`."""
        known = self._known.get(name)
        most = max(known) if known else 1
        fit = max(1, int(min(self.maximum, points) / max(self._per_unit(name, most, hint), 0.001)))
        return min(fit, self._ceilings.get(name, fit))

    def _per_unit(self, name: str, units: int, hint: float) -> float:
        known = self._known.get(name, {})
        smaller = [count for count in known if count <= units] or sorted(known)[:1]
        return known[max(smaller)] / max(smaller) if smaller else hint
