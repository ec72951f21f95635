"""Heartland's records as its REST answers spell them, as far as they are read here. Unknown fields are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict

from shared.canonical.money import exact
from shared.connectors.heartland.decimal_json import plain


def _amount(value: object) -> Decimal | None:
    return None if value is None else exact(value)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _custom(value: object) -> dict[str, str]:
    return {str(k): _text(v) for k, v in value.items()} if isinstance(value, Mapping) else {}


def _amount_or_nothing(value: object) -> Decimal:
    """A line of text has null for its figures."""
    return Decimal(0) if value is None else exact(value)


Amount = Annotated[Decimal, BeforeValidator(_amount_or_nothing)]
MaybeAmount = Annotated[Decimal | None, BeforeValidator(_amount)]
Text = Annotated[str, BeforeValidator(_text)]
Custom = Annotated[Mapping[str, str], BeforeValidator(_custom)]


class Model(BaseModel):
    """A record as read: immutable, tolerant of `x?` names, camelCase and money as text."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """Raises pydantic.ValidationError (a ValueError) where the record lacks what we build on."""
        return cls.model_validate(plain(record))


class Customer(Model):
    id: int
    public_id: Text = ""
    first_name: Text = ""
    last_name: Text = ""
    email: Text = ""
    phone_number: Text = ""
    deleted_at: Text = ""


class Address(Model):
    id: int
    first_name: Text = ""
    last_name: Text = ""
    line_1: Text = ""
    line_2: Text = ""
    city: Text = ""
    state: Text = ""
    postal_code: Text = ""
    country: Text = ""
    phone: Text = ""


class Item(Model):
    id: int
    public_id: Text = ""


class PaymentType(Model):
    id: int
    name: Text = ""


class Station(Model):
    id: int
    name: Text = ""
    active: bool = True


class Location(Model):
    id: int
    public_id: Text = ""
    name: Text = ""
    stations: tuple[Station, ...] = ()

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        stations = [plain(station) for station in record.get("stations") or ()]
        return cls.model_validate({**plain(record), "stations": stations})


class SalesOrder(Model):
    """`status` is `pending`, `open`, and later closed or canceled; the spelling of the last two is not settled."""

    id: int
    public_id: Text = ""
    status: Text = ""
    customer_id: int | None = None
    billing_address_id: int | None = None
    shipping_address_id: int | None = None
    shipping_charge: MaybeAmount = None
    custom: Custom = {}


class OrderLine(Model):
    """`qty` may be zero or negative. An adjusted price that is null means: the original one."""

    id: int
    type: Text = "ItemLine"
    item_id: int | None = None
    qty: Amount = Decimal(0)
    original_unit_price: MaybeAmount = None
    adjusted_unit_price: MaybeAmount = None
    total_tax: MaybeAmount = None
    custom: Custom = {}

    @property
    def unit_price(self) -> Decimal:
        price = self.original_unit_price if self.adjusted_unit_price is None else self.adjusted_unit_price
        return Decimal(0) if price is None else price


class OrderTax(Model):
    id: int = 0
    description: Text = ""
    value: Amount = Decimal(0)


class Payment(Model):
    id: int = 0
    payment_type_id: int | None = None
    amount: Amount = Decimal(0)
    status: Text = ""
    custom: Custom = {}

    def same_money(self, other: Payment) -> bool:
        return self.payment_type_id == other.payment_type_id and self.amount == other.amount
