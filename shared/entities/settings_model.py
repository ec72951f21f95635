"""The model of a connection's settings: the sections of both vendors and of every entity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from pydantic import Field, create_model

from shared.connectors.heartland.settings import HeartlandSettings
from shared.connectors.shopify.settings import ShopifySettings
from shared.definitions.parse import check_settings
from shared.definitions.section import Section
from shared.entities.spec import Spec, System, load
from shared.entities.table import ENTITIES

_VENDORS: tuple[tuple[System, type[Section]], ...] = (("heartland", HeartlandSettings), ("shopify", ShopifySettings))


def settings_model(entities: Sequence[Spec] = ENTITIES) -> type[Section]:
    """`<vendor>.<setting>` and `<vendor>.<entity>.<setting>`; see `Spec.settings`."""
    return _model(tuple(entities))


@cache
def _model(entities: tuple[Spec, ...]) -> type[Section]:
    vendors: dict[str, Any] = {
        system: _section(_vendor(system, base, entities), f"{system.capitalize()}, for the account as a whole")
        for system, base in _VENDORS
    }
    return create_model("ConnectionSettings", __base__=Section, **vendors)


def settings_check(entities: Sequence[Spec] = ENTITIES) -> Callable[[Mapping[str, Any]], None]:
    """Raises Misconfigured, in one line, for an unknown key (with the nearest right one) or a wrong value."""
    return partial(check_settings, model=settings_model(entities))


def _vendor(system: System, base: type[Section], entities: Sequence[Spec]) -> type[Section]:
    sections: dict[str, Any] = {
        spec.name: _section(load(name), f"{system.capitalize()}, for {spec.plural}")
        for spec in entities
        for vendor, name in spec.settings
        if vendor == system
    }
    return create_model(base.__name__, __base__=base, **sections)


def _section(model: type[Section], says: str) -> tuple[type[Section], Any]:
    return model, Field(default_factory=model, description=says)
