"""The imitated Heartland agrees with payloads that integrators recorded from the real one."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.sandbox.heartland.account import Heartland
from services.sandbox.heartland.hooks import camel_body
from services.sandbox.heartland.views import shown
from tests.support.samples import sample, sample_names
from tests.support.sandbox import Sandbox, open_sandbox

SANDBOX = Path(__file__).parents[2] / "services" / "sandbox"
COMPARED = {
    "error_validation_422.json", "inventory_values_one_location.json", "item_with_custom_fields.json",
    "paginated_envelope.json", "sales_ticket_lines_item.json", "webhook_item_created_snake.json",
    "webhook_sales_transaction_other_type.json", "webhook_sales_transaction_ticket.json",
}  # fmt: skip
# Purchasing is not imitated; of these only the envelope is compared.
ENVELOPES = {"purchase_order_lines.json", "purchase_orders_open.json", "purchasing_receipts.json"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox() as opened:
        yield opened


def recorded(name: str) -> Any:
    return orjson.loads(sample("heartland", name))


def kind(value: object) -> str:
    if isinstance(value, bool):
        return "flag"
    return {int: "number", float: "number", Decimal: "number"}.get(type(value), type(value).__name__)


def assert_agrees(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Every key of theirs is one of ours, and of its kind where both say something."""
    assert set(theirs) <= set(ours)
    for key, value in theirs.items():
        if value is not None and ours[key] is not None:
            assert kind(ours[key]) == kind(value), key


async def shipped(sandbox: Sandbox) -> None:
    """One order of one item, shipped."""
    account = sandbox.world.part(Heartland, Heartland)
    item = account.ensure_item("TEE", "Tee", "72")
    customer = (await sandbox.heartland("POST", "customers", {"first_name": "Rae", "last_name": "Quill"})).id
    place = {"source_location_id": 100001, "station_id": 100001}
    order = (await sandbox.heartland("POST", "sales/orders", {"customer_id": customer, **place})).id
    line = {"item_id": item, "qty": 2, "ship_from_location_id": 100002}
    await sandbox.heartland("POST", f"sales/orders/{order}/lines", line)
    await sandbox.heartland("PUT", f"sales/orders/{order}", {"status": "open"})
    await sandbox.control("POST", f"/heartland/orders/{order}/ship", {})


def test_every_sample_is_compared() -> None:
    names = sample_names("heartland")
    if not names:
        pytest.skip("samples not beside the checkout")

    assert set(names) == COMPARED | ENVELOPES


@pytest.mark.parametrize("name", ["paginated_envelope.json", "inventory_values_one_location.json", *sorted(ENVELOPES)])
async def test_collections_have_the_same_envelope(sandbox: Sandbox, name: str) -> None:
    theirs = recorded(name)
    theirs.pop("per_page", None)  # echoed by one library only; nobody else ever saw it

    ours = (await sandbox.heartland("GET", "items")).body

    assert set(ours) == set(theirs)
    assert_agrees(ours, theirs)


async def test_stock_has_the_recorded_fields(sandbox: Sandbox) -> None:
    await shipped(sandbox)

    path = "inventory/values?group[]=item_id&group[]=location_id"
    ours = (await sandbox.heartland("GET", path)).body["results"][0]

    assert_agrees(ours, recorded("inventory_values_one_location.json")["results"][0])


async def test_sale_lines_have_the_recorded_fields(sandbox: Sandbox) -> None:
    await shipped(sandbox)

    ours = (await sandbox.heartland("GET", "sales/invoices/100001/lines")).body["results"][0]

    assert_agrees(ours, recorded("sales_ticket_lines_item.json")["results"][0])


async def test_items_have_the_recorded_fields(sandbox: Sandbox) -> None:
    body = {"description": "Wheel", "cost": 21.67, "price": 72, "custom": {"color": "Blue"}}
    await sandbox.heartland("POST", "items", body | {"long_description": "A wheel"})

    ours = (await sandbox.heartland("GET", "items/100001")).body

    assert_agrees(ours, recorded("item_with_custom_fields.json"))
    assert_agrees(ours, recorded("webhook_item_created_snake.json"))


async def test_item_hooks_have_the_recorded_fields_in_either_spelling(sandbox: Sandbox) -> None:
    account = sandbox.world.part(Heartland, Heartland)
    row = account.item(account.ensure_item("TEE", "Tee", "72"))
    theirs = recorded("webhook_item_created_snake.json")

    assert_agrees(shown("items", row), theirs)
    assert {"publicId", "longDescription", "createdAt", "trackInventory"} <= set(camel_body(row))


@pytest.mark.parametrize("name", ["webhook_sales_transaction_ticket.json", "webhook_sales_transaction_other_type.json"])
async def test_sales_have_the_recorded_fields(sandbox: Sandbox, name: str) -> None:
    await shipped(sandbox)

    ours = (await sandbox.heartland("GET", "sales/invoices/100001")).body

    assert_agrees(ours, recorded(name))


async def test_a_refusal_lists_sentences_by_field(sandbox: Sandbox) -> None:
    theirs = recorded("error_validation_422.json")["errors"]

    ours = (await sandbox.heartland("POST", "customers", {"first_name": "R"})).body["details"]

    for details in (ours, theirs):
        assert all(isinstance(texts, list) and all(isinstance(t, str) for t in texts) for texts in details.values())


def test_the_sandbox_shares_no_code_with_what_it_imitates() -> None:
    found = {
        module
        for path in SANDBOX.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for module in imported(node)
        if module.split(".")[0] in ("shared", "deploy", "tests")
        or (module.startswith("services.") and not module.startswith("services.sandbox"))
    }

    assert found == set()


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
