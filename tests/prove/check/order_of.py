"""Per key in order: what the vendors were told of an order never goes back to an earlier state."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from tests.prove.check.case import Case
from tests.prove.check.once import made_fulfilment
from tests.prove.check.report import Violation
from tests.prove.check.road import seconds


def check(case: Case) -> Iterator[Violation]:
    for text in (*_notes(case), *_shipments(case), *_versions(case)):
        yield Violation("reordered", text)


def _notes(case: Case) -> Iterator[str]:
    """Each change leaves its number in the order's note, which travels on into Heartland."""
    last: dict[str, int] = {}
    field = str(case.evidence.settings.get("note_field") or "note")
    for write in case.writes:
        if write.system != "heartland" or not write.applied:
            continue
        if write.operation == "POST sales/orders":
            path, note = str(write.response.get("location")), (write.body.get("custom") or {}).get(field)
        elif write.operation == "PUT sales/orders/#":
            path, note = write.path, write.body.get(f"custom@{field}")
        else:
            continue
        seq = number_of(note)
        if seq and seq < last.get(path, 0):
            yield f"{path} was told of change {seq} after change {last[path]}, by {write}"
        last[path] = max(seq, last.get(path, 0))


def number_of(note: object) -> int:
    """The number in a note; 0 for another note."""
    word, _, number = str(note or "").partition(" ")
    return int(number) if word == "seq" and number.isdigit() else 0


def _shipments(case: Case) -> Iterator[str]:
    """The shipments of one order have numbered tracking numbers: 1Z<order>-<n>."""
    last: dict[str, int] = {}
    for write in case.writes:
        if write.operation != "fulfillmentCreate" or not write.applied or not made_fulfilment(write):
            continue
        number = str((write.body["variables"]["fulfillment"].get("trackingInfo") or {}).get("number"))
        order, _, part = number.rpartition("-")
        if not order or not part.isdigit():
            continue
        if int(part) < last.get(order, 0):
            yield f"shipment {number} came after {order}-{last[order]}, by {write}"
        last[order] = max(int(part), last.get(order, 0))


def _versions(case: Case) -> Iterator[str]:
    """What the writer of orders says it applied, in the order in which it was done."""
    hops = [hop for found in case.road.hops.values() for hop in found]
    applied = [hop for hop in hops if hop.service == "heartland_writer" and hop.outcome == "applied" and hop.version]
    last: dict[str, str] = {}
    for hop in sorted(applied, key=attrgetter("finished")):
        before = last.get(hop.key)
        if before and seconds(hop.version) < seconds(before):
            yield f"the version {hop.version} of {hop.key} was applied after {before}, by event {hop.event}"
        last[hop.key] = hop.version
