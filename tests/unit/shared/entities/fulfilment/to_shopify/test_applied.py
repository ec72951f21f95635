"""When a shipment counts as applied."""

from __future__ import annotations

import pytest

from shared.entities.fulfilment.to_shopify.applied import is_applied

BODY = b'{"record": {"id": "9"}}'


@pytest.mark.parametrize(
    ("body", "states", "expected"),
    [
        pytest.param(BODY, {}, False, id="nothing was sent yet"),
        pytest.param(BODY, {"fulfilment:9:1": "done", "tracking:9:5:x": "done"}, True, id="all is done"),
        pytest.param(BODY, {"fulfilment:9:1": "done", "fulfilment:9:2": "failed"}, False, id="one location failed"),
        pytest.param(BODY, {"fulfilment:9:1": "done", "tracking:9:5:x": "sent"}, False, id="its tracking is in doubt"),
        pytest.param(BODY, {"fulfilment:99:1": "done"}, False, id="another invoice"),
        pytest.param(b"{", {"fulfilment:9:1": "done"}, False, id="not JSON"),
        pytest.param(b'{"record": {"id": ""}}', {"fulfilment::1": "done"}, False, id="no invoice"),
    ],
)
def test_a_shipment_is_applied_when_every_call_of_its_invoice_is_done(
    body: bytes, states: dict[str, str], expected: bool
) -> None:
    assert is_applied(body, states) is expected
