"""The steps of an order's plan: frozen values, one per call."""

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
    """Change header fields; an order is opened by its status."""

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
    """Book a payment, once ever. `operation` is its name in the ledger."""

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
