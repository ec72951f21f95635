"""What the checker knows of each entity; entities that others depend on come first.

The checker imports nothing from the product; a test compares these entities and topics with the product's table.
"""

from __future__ import annotations

from typing import Final

from tests.prove.check.entities import fulfilment, link, order
from tests.prove.check.entity import Entity, stages_of

ENTITIES: Final[tuple[Entity, ...]] = (order.ENTITY, fulfilment.ENTITY, link.ENTITY)
STAGES: Final = stages_of(ENTITIES)
