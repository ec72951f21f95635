from __future__ import annotations

from typing import Any

import pytest

from services.sandbox.faults import Fault
from tests.prove.vendors import FAULTS, Vendors, webhook_faults

Json = dict[str, Any]


class Switchboard:
    """The sandbox's list of faults; each strikes three times before it is asked for."""

    def __init__(self) -> None:
        self.faults: list[Json] = []

    async def control(self, method: str, _: str, body: Any) -> tuple[int, Json]:
        if method == "POST":
            self.faults = body["faults"]
        return 200, {"faults": [{**fault, "struck": 3} for fault in self.faults]}


@pytest.mark.parametrize("fault", [{"system": "heartland", **one} for one in FAULTS.values()] + webhook_faults(0.01))
def test_the_sandbox_knows_every_fault(fault: Json) -> None:
    assert Fault.model_validate(fault).kind == fault["kind"]


async def test_faults_overlap_and_each_ends_alone() -> None:
    board = Switchboard()
    vendors = Vendors(board.control, webhook_faults(0.01))
    await vendors.begin()
    first = await vendors.add("heartland", "outage")
    second = await vendors.add("shopify", "throttle")
    await vendors.remove(first)

    assert board.faults == [second, *webhook_faults(0.01)]
    await vendors.heal()
    assert board.faults == []


async def test_hits_are_counted_before_they_are_forgotten() -> None:
    vendors = Vendors(Switchboard().control, [])
    fault = await vendors.add("heartland", "outage")
    await vendors.remove(fault)

    assert vendors.hits == {"heartland outage": 3}
