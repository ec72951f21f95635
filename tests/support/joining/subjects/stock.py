"""A subject made for a test: stock levels, by SKU."""

from __future__ import annotations

from shared.sync.comparison import Subject
from tests.support.joining.level import Levels
from tests.support.joining.stock_entities import stock

SUBJECT = Subject("stock", "stock levels", "reconciler.stock", Levels, (stock.ENTITY,))
