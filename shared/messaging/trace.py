"""The trace topic carries hops; what a hop is stands in `shared.canonical.hop`."""

from shared.canonical.hop import OUTCOMES, Hop

__all__ = ["OUTCOMES", "Hop"]
