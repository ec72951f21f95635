"""What is compared is what lies in the folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from shared.errors import Rejected
from shared.operations.comparison.subjects import SUBJECTS, entities, subject_of
from shared.state.drift import Finding
from tests.unit.shared.entities.order.compare.orders import in_agreement

SEEN = in_agreement()
[SUBJECT] = SUBJECTS
FOUND = Finding("main", "order", SEEN.key, "odd", "it is odd")


def test_the_subjects_and_their_entities_are_found() -> None:
    assert [subject.name for subject in SUBJECTS] == ["order"]
    assert entities() == ("fulfilment", "order", "payment")
    assert subject_of("payment") is SUBJECT


def test_what_is_not_compared_is_refused_with_what_is() -> None:
    with pytest.raises(Rejected, match="'gift_card' is not compared; these are: fulfilment, order, payment"):
        subject_of("gift_card")


@pytest.mark.parametrize(
    "found",
    [
        pytest.param([replace(FOUND, key="another")], id="another record's key"),
        pytest.param([FOUND, replace(FOUND, reason="it is odder")], id="two of a kind"),
    ],
)
def test_findings_that_the_ledger_could_not_keep_apart_are_an_error(found: Sequence[Finding]) -> None:
    entity = replace(SUBJECT.entity("order"), compare=lambda _: iter(found))
    subject = replace(SUBJECT, entities=[entity])

    with pytest.raises(ValueError, match="a kind of its own"):
        subject.findings(SEEN, ["order"])
