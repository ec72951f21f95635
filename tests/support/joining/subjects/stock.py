"""A subject made for a test: stock levels, by SKU."""

from __future__ import annotations

from services.reconciler.subject import Entity, Subject
from shared.runtime.members import members
from tests.support.joining import stock_entities
from tests.support.joining.level import Levels

SUBJECT = Subject("stock", "stock levels", "reconciler.stock", Levels, tuple(members(stock_entities, Entity)))
