from __future__ import annotations

from typing import Any

import pytest

from services.sandbox.faults import Fault
from tests.prove.vendor_faults import VENDOR_FAULTS, VendorFaults, webhook_faults

Json = dict[str, Any]


class FakeSandbox:
    """The sandbox's list of faults; each has affected three calls whenever the list is read."""

    def __init__(self) -> None:
        self.faults: list[Json] = []

    async def control(self, method: str, _: str, body: Any) -> tuple[int, Json]:
        if method == "POST":
            self.faults = body["faults"]
        return 200, {"faults": [{**fault, "hits": 3} for fault in self.faults]}


@pytest.mark.parametrize(
    "fault", [{"system": "heartland", **one} for one in VENDOR_FAULTS.values()] + webhook_faults(0.01)
)
def test_the_sandbox_knows_every_fault(fault: Json) -> None:
    assert Fault.model_validate(fault).kind == fault["kind"]


async def test_faults_overlap_and_each_ends_separately() -> None:
    sandbox = FakeSandbox()
    vendor_faults = VendorFaults(sandbox.control, webhook_faults(0.01))
    await vendor_faults.start()
    first = await vendor_faults.add("heartland", "outage")
    second = await vendor_faults.add("shopify", "throttle")
    await vendor_faults.remove(first)

    assert sandbox.faults == [second, *webhook_faults(0.01)]
    await vendor_faults.heal()
    assert sandbox.faults == []


async def test_hits_are_counted_before_a_fault_is_removed() -> None:
    vendor_faults = VendorFaults(FakeSandbox().control, [])
    fault = await vendor_faults.add("heartland", "outage")
    await vendor_faults.remove(fault)

    assert vendor_faults.hits == {"heartland outage": 3}
