"""Whether a shipment is in Shopify, from the states of its effects. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import orjson


def is_applied(body: bytes, states: Mapping[str, str]) -> bool:
    """Whether every call for the event's invoice, tracking included, is known to have been made.

    `states` are those of the order's effects, by operation: `fulfilment:<invoice>:...`, `tracking:<invoice>:...`.
    False for a body that is no canonical shipment.
    """
    invoice = _invoice(body)
    if not invoice:
        return False
    prefixes = (f"fulfilment:{invoice}:", f"tracking:{invoice}:")
    own = [state for operation, state in states.items() if operation.startswith(prefixes)]
    return bool(own) and all(state == "done" for state in own)


def _invoice(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["record"]["id"])
    except (ValueError, TypeError, KeyError):
        return ""
