"""Orders, by Shopify's id, with all that hangs on them in both systems."""

from __future__ import annotations

from services.reconciler.order import entities
from services.reconciler.order.records import Orders
from services.reconciler.subject import Entity, Subject
from shared.runtime.members import members

SUBJECT = Subject("order", "orders", "reconciler.orders", Orders, tuple(members(entities, Entity)))
