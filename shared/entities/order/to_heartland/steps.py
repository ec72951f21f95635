"""The steps of an order's plan, a call each: frozen values, decided before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CreateOrder:
    body: Body


@dataclass(frozen=True, slots=True)
class AddLine:
    body: Body


@dataclass(frozen=True, slots=True)
class ChangeLine:
    line_id: int
    changes: Body


@dataclass(frozen=True, slots=True)
class RemoveLine:
    line_id: int


@dataclass(frozen=True, slots=True)
class ChangeOrder:
    """Header fields; the status among them is how an order is opened."""

    changes: Body


@dataclass(frozen=True, slots=True)
class CancelOrder:
    pass


@dataclass(frozen=True, slots=True)
class ReadTaxes:
    pass


@dataclass(frozen=True, slots=True)
class ReadInvoices:
    pass


@dataclass(frozen=True, slots=True)
class AddTax:
    body: Body


@dataclass(frozen=True, slots=True)
class AddPayment:
    """A fact: applied once ever. `operation` is its name in the ledger."""

    operation: str
    transaction_id: str
    body: Body


Step = (
    CreateOrder
    | AddLine
    | ChangeLine
    | RemoveLine
    | ChangeOrder
    | CancelOrder
    | ReadTaxes
    | ReadInvoices
    | AddTax
    | AddPayment
)
