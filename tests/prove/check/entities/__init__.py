"""What the checker knows of each entity: those that others hang on come first.

The checker imports nothing of the product; that these are the entities and topics of the product's own table is a test.
"""

from __future__ import annotations

from typing import Final

from tests.prove.check.entities import fulfilment, link, order
from tests.prove.check.entity import Entity, steps_of

ENTITIES: Final[tuple[Entity, ...]] = (order.ENTITY, fulfilment.ENTITY, link.ENTITY)
STEPS: Final = steps_of(ENTITIES)
