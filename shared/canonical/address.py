"""The canonical postal address."""

from __future__ import annotations

from shared.canonical.record import CanonicalRecord


class Address(CanonicalRecord):
    """A postal address, trimmed; `country` is ISO alpha-2, `province` the vendor's code if it has one."""

    first_name: str = ""
    last_name: str = ""
    company: str = ""
    line_1: str = ""
    line_2: str = ""
    city: str = ""
    province: str = ""
    postal_code: str = ""
    country: str = ""
    phone: str = ""
