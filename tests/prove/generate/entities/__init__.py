"""What happens to each entity in a proof: those that others hang on come first."""

from __future__ import annotations

from typing import Final

from tests.prove.generate.entities import fulfilment, order
from tests.prove.generate.generator import Generator

GENERATORS: Final[tuple[Generator, ...]] = (order.GENERATOR, fulfilment.GENERATOR)
