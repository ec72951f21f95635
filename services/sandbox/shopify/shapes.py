"""Converts tags, attributes, addresses and tax lines from the body's format to GraphQL's."""

from __future__ import annotations

from services.sandbox.shopify.gid import gid
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.money_views import MoneyView


def words(tags: object) -> list[str]:
    """Tags as a list; bodies have them as comma-separated text."""
    found = tags if isinstance(tags, list) else str(tags or "").split(",")
    return sorted({str(tag).strip() for tag in found if str(tag).strip()}, key=str.lower)


def attributes(pairs: object) -> list[Json]:
    """Name-value pairs; a value that is not a text is shown as JSON."""
    rows = pairs if isinstance(pairs, list) else []
    return [
        {"key": str(row.get("name", row.get("key"))), "value": _as_text(row.get("value"))}
        for row in rows
        if isinstance(row, dict)
    ]


def _as_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


def address(order_id: int, data: object, model: str) -> Json | None:
    if not isinstance(data, dict):
        return None
    number = data.get("id") or order_id
    return {
        "id": gid("MailingAddress", f"{number}?model_name={model}"),
        "firstName": data.get("first_name"),
        "lastName": data.get("last_name"),
        "name": data.get("name"),
        "company": data.get("company"),
        "address1": data.get("address1"),
        "address2": data.get("address2"),
        "city": data.get("city"),
        "province": data.get("province"),
        "provinceCode": data.get("province_code"),
        "zip": data.get("zip"),
        "country": data.get("country"),
        "countryCodeV2": data.get("country_code"),
        "phone": data.get("phone"),
        "latitude": _degrees(data.get("latitude")),
        "longitude": _degrees(data.get("longitude")),
        "formattedArea": ", ".join(str(p) for p in (data.get("city"), data.get("country")) if p) or None,
    }


def _degrees(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def tax_line(money: MoneyView, data: Json) -> Json:
    return tax_shape(str(data.get("title") or ""), data.get("rate"), money.of(data, "price"), data)


def tax_shape(title: str, rate: object, price: Json, data: Json | None) -> Json:
    share = _degrees(rate)
    return {
        "title": title,
        "rate": share,
        "ratePercentage": None if share is None else share * 100,
        "priceSet": price,
        "channelLiable": (data or {}).get("channel_liable"),
        "source": None,
    }
