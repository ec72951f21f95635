"""Who is who travels as events of its own. What came of it is part of what it belongs to, and compared there."""

from __future__ import annotations

from tests.prove.check.entity import Entity
from tests.prove.check.road import Step

NOTE = Step("canonical.link", "shopify_writer", "shopify_writer", vendors=("shopify",), collapses=True)

ENTITY = Entity(name="link", plural="links", subject="order", steps=(NOTE,))
