"""Links between the vendors' ids are events of their own; their effect is compared as part of the linked order."""

from __future__ import annotations

from tests.prove.check.entity import Entity
from tests.prove.check.topic_data import Stage

NOTE = Stage("canonical.link", "shopify_writer", "shopify_writer", vendors=("shopify",), collapses=True)

ENTITY = Entity(name="link", plural="links", subject="order", stages=(NOTE,))
