"""The calls that a plan consists of: frozen values, decided before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.errors import NeedsReview

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


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person must look at. It does not stop the order unless it says so."""

    kind: str
    title: str
    advice: str
    details: dict[str, object] = field(default_factory=dict)
    blocks: bool = False

    def error(self) -> NeedsReview:
        return NeedsReview(self.title, kind=self.kind, advice=self.advice, details=self.details)


@dataclass(frozen=True, slots=True)
class Plan:
    """`complete`: after these steps Heartland matches. Otherwise the next plan needs what they bring to light."""

    steps: tuple[Step, ...]
    findings: tuple[Finding, ...] = ()
    complete: bool = True
