"""Simple records: items, customers and addresses, stations, types, custom fields, settings, webhooks."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from services.sandbox.heartland import views
from services.sandbox.heartland.call import Answer, Call, Rule, changed, created
from services.sandbox.heartland.hooks import EVENTS
from services.sandbox.heartland.rejection import invalid, not_found
from services.sandbox.heartland.table import Row
from services.sandbox.heartland.writes import create, update

TRIMMED: Final = ("first_name", "last_name", "line_1", "line_2", "city", "state", "postal_code", "country", "phone")
GROUPS: Final = frozenset(
    {"item", "customer", "sales.transaction", "sales.transaction.line_item", "payment", "vendor", "purchasing.order"}
)


def add(table: str, event: str = "", **own: Any) -> Rule:
    """Creates a record and fires `event`."""

    def rule(call: Call) -> Answer:
        row = create(call.account, table, call.body(), **own)
        if event:
            call.account.hooks.fire(event, row)
        return created(call, row["id"])

    return rule


def alter(table: str, event: str = "") -> Rule:
    def rule(call: Call) -> Answer:
        row = update(call.account, table, call.row(table)["id"], call.body())
        if event:
            call.account.hooks.fire(event, row)
        return changed(call, table, row)

    return rule


def add_item(call: Call) -> Answer:
    row = create(call.account, "items", call.body(), uuid=call.account.uuid())
    call.account.hooks.fire("item_created", row)
    return created(call, row["id"])


def add_customer(call: Call) -> Answer:
    body = call.body()
    row = create(call.account, "customers", body, uuid=call.account.uuid(), name=_name(body))
    call.account.hooks.fire("customer_created", row)
    return created(call, row["id"])


def alter_customer(call: Call) -> Answer:
    body, old = call.body(), call.row("customers")
    row = update(call.account, "customers", old["id"], body, name=_name(old | body))
    call.account.hooks.fire("customer_updated", row)
    return changed(call, "customers", row)


def _name(body: Row) -> str:
    return " ".join(str(part) for part in (body.get("first_name"), body.get("last_name")) if part)


def add_address(call: Call) -> Answer:
    customer, body = call.row("customers"), call.body()
    _check_address(body)
    return created(call, create(call.account, "addresses", body, customer["id"])["id"])


def alter_address(call: Call) -> Answer:
    address, body = call.child("addresses"), call.body()
    _check_address(body)
    return changed(call, "addresses", update(call.account, "addresses", address["id"], body))


def _check_address(body: Row) -> None:
    # Surrounding spaces and country names in full once broke a production integration.
    for name in TRIMMED:
        value = body.get(name)
        if isinstance(value, str) and value != value.strip():
            raise invalid(name, "starts or ends with a space")
    country = body.get("country")
    if country not in (None, "") and (not isinstance(country, str) or len(country) != 2 or not country.isupper()):
        raise invalid("country", "is not a two-letter code")


def add_custom_field(call: Call) -> Answer:
    body = call.body()
    if str(body.get("group_id")) not in GROUPS:
        raise invalid("group_id", "is not a custom field group")
    fields = call.account["custom_fields"]
    same = (fields.rows[number] for number in fields.equal_to("key", body.get("key")))
    if any(row["group_id"] == body["group_id"] for row in same):
        raise invalid("key", "has already been taken")
    return created(call, create(call.account, "custom_fields", body)["id"])


def add_webhook(call: Call) -> Answer:
    body = call.body()
    url, events = body.get("url"), body.get("events")
    if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https"):
        raise invalid("url", "is not an http(s) URL")
    if not isinstance(events, list) or not events or any(str(event) not in EVENTS for event in events):
        raise invalid("events", f"must be one or more of {', '.join(sorted(EVENTS))}")
    return created(call, create(call.account, "webhooks", body)["id"])


def delete_webhook(call: Call) -> Answer:
    call.account["webhooks"].delete(call.row("webhooks")["id"])
    return Answer(200)


def read_setting(call: Call) -> Answer:
    key = call.path.rpartition("/")[2]
    if key not in call.account.settings:
        raise not_found()
    return Answer(200, {"key": key, "value": call.account.settings[key]})


def write_setting(call: Call) -> Answer:
    read_setting(call)
    body = call.body()
    if "value" not in body:
        raise invalid("value", "is required")
    call.account.settings[call.path.rpartition("/")[2]] = body["value"]
    return read_setting(call)


def whoami(call: Call) -> Answer:
    return Answer(200, views.shown("users", call.account["users"].rows[call.account["users"].ids[0]]))


def host(call: Call) -> Answer:
    return Answer(200, {"host": call.account.world.url.partition("://")[2]})
