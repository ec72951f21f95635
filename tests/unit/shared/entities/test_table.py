"""A table of entities that cannot work is refused in one line; every function that a spec names is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from shared.entities.fulfilment.spec import FULFILMENT
from shared.entities.order.spec import ORDER
from shared.entities.spec import Source, Spec, load
from shared.entities.table import ENTITIES, check, events_under, named, owner, preview_of, topics, webhooks, writers
from shared.errors import Misconfigured
from tests.support.tender.spec import TENDER


def test_the_table_is_a_good_one() -> None:
    check()
    assert len({topic.name for topic in topics()}) == len(topics())


@pytest.mark.parametrize(
    ("entities", "reason"),
    [
        pytest.param((ORDER, FULFILMENT, ORDER), "entity 'order' is in the table twice", id="twice"),
        pytest.param(
            (ORDER, replace(TENDER, sources=(Source("shopify", ORDER.sources[0].topic),))),
            "topic raw.shopify.order is named by two entities: order, tender",
            id="a topic of two",
        ),
        pytest.param((FULFILMENT,), "entity 'fulfilment' depends on order, not in the table", id="unknown dependency"),
        pytest.param(
            (replace(ORDER, depends_on=("fulfilment",)), FULFILMENT),
            "entities depend on each other in a circle",
            id="circle",
        ),
    ],
)
def test_a_table_that_cannot_work_is_refused(entities: tuple[Spec, ...], reason: str) -> None:
    with pytest.raises(Misconfigured, match=reason) as caught:
        check(entities)
    assert "\n" not in caught.value.reason


def _names(spec: Spec) -> Iterator[str]:
    yield from (
        spec.transform,
        spec.read_again,
        spec.read_now,
        *dict(spec.writers).values(),
        *(name for *_, name in spec.previews),
        *filter(None, [spec.applied_fact]),
    )
    yield from (source.poll.open for source in spec.sources if source.poll)
    if spec.comparison:
        yield from (spec.comparison.records, *spec.comparison.entities)


@pytest.mark.parametrize("name", sorted({name for spec in (*ENTITIES, TENDER) for name in _names(spec) if name}))
def test_what_a_spec_names_is_there(name: str) -> None:
    assert load(name) is not None


def test_a_payment_is_written_with_its_order() -> None:
    assert owner("payment") is ORDER
    assert owner("fulfilment") is FULFILMENT
    with pytest.raises(Misconfigured, match="'gift_card' is not an entity"):
        owner("gift_card")


def test_an_unknown_entity_is_named_with_those_that_there_are() -> None:
    with pytest.raises(Misconfigured, match="'orders' is not an entity: order, fulfilment"):
        named("orders")


def test_webhooks_know_where_they_belong() -> None:
    spec, source, webhook = webhooks("shopify")["orders/edited"]

    assert (spec.name, source.topic.name, webhook.id_path) == ("order", "raw.shopify.order", ("order_edit", "order_id"))
    assert set(webhooks("shopify", (*ENTITIES, TENDER))) - set(webhooks("shopify")) == {"tenders/update"}


def test_a_writer_runs_the_entities_that_are_written_there() -> None:
    assert len(writers("shopify")) == 2
    assert len(writers("heartland", (*ENTITIES, TENDER))) == 2


def test_a_preview_is_found_by_entity_and_target() -> None:
    twice = replace(TENDER, previews=(("tender", "heartland", "one"), ("tender", "shopify", "other")))

    assert (preview_of("tender", "heartland", (twice,)), preview_of("tender", "shopify", (twice,))) == ("one", "other")
    assert preview_of("link", "heartland") == ""


def test_events_under_an_order_are_its_own_and_its_shipments() -> None:
    assert set(events_under("order")) == {"order", "link", "fulfilment"}
