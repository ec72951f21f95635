"""The generators of all entities; entities that others depend on come first."""

from __future__ import annotations

from typing import Final

from tests.prove.generate.entities import fulfilment, order
from tests.prove.generate.generator import Generator

GENERATORS: Final[tuple[Generator, ...]] = (order.GENERATOR, fulfilment.GENERATOR)
