"""Definitions of a connection: show, publish, and re-apply them to what was written before."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from shared.definitions.parse import check_paths, check_settings
from shared.definitions.paths import (
    Change,
    changes,
    fixed_paths,
    removed_unknown,
    unknown_paths,
    with_value,
    without_value,
    written_changes,
)
from shared.entities.parts import Preview, PreviewParts, ReadRecord
from shared.entities.spec import Spec, load
from shared.entities.table import ENTITIES, preview_of
from shared.errors import IntegrationError, Misconfigured, Rejected, TargetDown
from shared.messaging.kafka.producer import open_producer
from shared.messaging.notice import asked_for
from shared.operations.audit import audited
from shared.runtime.clock import Clock, SystemClock
from shared.runtime.settings import Settings
from shared.state.audit import Audit
from shared.state.database import Database
from shared.state.database_clock import database_clock
from shared.state.definitions import Definitions, DefinitionsVersion
from shared.state.ledger import has_effects
from shared.state.versions import keys_with_other_definitions

_PAGE = 500
# Previews side by side: what a vendor allows is shared with live work, which goes first.
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit: values by dotted path, paths to be set back to their defaults, or a whole document.

    With `from_version`, the settings of that version are the start instead of those in use.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    unset: Sequence[str] = ()
    document: Mapping[str, Any] | None = None
    from_version: int | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """`version` is that in use afterwards, `changes` what differs from the one before.

    None: nothing was published.

    Both compare effective values; a stored key that the model does not know counts as changed where it is removed.
    """

    version: int
    changes: Sequence[Change]


async def show_definitions(database: Database, connection: str, version: int | None = None) -> DefinitionsVersion:
    """A version of the settings, by default the one in use.

    Raises Rejected where there is none, TargetDown.
    """
    return await Definitions(database).get(connection, version)


async def definitions_history(database: Database, connection: str) -> Sequence[DefinitionsVersion]:
    """All versions, the newest first. Raises Rejected for an unknown connection, TargetDown."""
    return await Definitions(database).history(connection)


async def edited(
    database: Database, connection: str, edit: Edit, model: type[BaseModel]
) -> tuple[DefinitionsVersion, dict[str, Any]]:
    """The version in use, and the settings that the edit makes of it; nothing is stored.

    Raises Misconfigured for settings that cannot be used, Rejected for an unknown connection or version, TargetDown.
    """
    definitions = Definitions(database)
    in_use = await definitions.get(connection)
    start = in_use if edit.from_version is None else await definitions.get(connection, edit.from_version)
    settings: dict[str, Any] = start.settings if edit.document is None else dict(edit.document)
    stored = set(unknown_paths(start.settings, model))
    check_paths([path for path in edit.unset if path not in stored], model)
    for path in edit.unset:
        settings = without_value(settings, path)
    for path, value in edit.values.items():
        settings = with_value(settings, path, value)
    check_settings(settings, model)
    await refuse_fixed(database, connection, in_use.settings, settings, model)
    return in_use, settings


def differences(before: Mapping[str, Any], after: Mapping[str, Any], model: type[BaseModel]) -> list[Change]:
    """What publishing `after` in place of `before` changes: effective values, and unknown keys that go.

    Pure.
    """
    return [*changes(before, after, model), *removed_unknown(before, after, model)]


async def refuse_fixed(
    database: Database, connection: str, before: Mapping[str, Any], after: Mapping[str, Any], model: type[BaseModel]
) -> None:
    """Raises Misconfigured where a setting changes by which written records are found again.

    With another field name a create in doubt would not be found, and made a second time.
    """
    fixed = set(fixed_paths(model))
    changed = [change.path for change in changes(before, after, model) if change.path in fixed]
    if changed and await has_effects(database, connection):
        raise Misconfigured(
            f"connection settings: {', '.join(changed)} cannot change any more: records that were written to "
            f"connection {connection} are found again by it"
        )


async def publish_definitions(
    database: Database, connection: str, edit: Edit, model: type[BaseModel], *, author: str, because: str
) -> Published:
    """Publish edited settings. Services write with them as soon as they have read the connections again.

    Raises Misconfigured for settings that cannot be used; Rejected for an unknown connection or version, and where
    somebody else published meanwhile; TargetDown.
    """
    in_use, settings = await edited(database, connection, edit, model)
    changed = differences(in_use.settings, settings, model)
    if not changed:
        return Published(in_use.version, ())
    clock = await database_clock(database, SystemClock())
    paths = [change.path for change in changed]
    details = {"replaces": in_use.version, "changes": paths, "because": because}
    async with audited(Audit(database), clock, author, "settings.publish", connection, details) as outcome:
        version = await Definitions(database).publish(
            connection, settings, replaces=in_use.version, author=author, reason=because
        )
        outcome["version"] = version
    return Published(version, changed)


@dataclass(frozen=True, slots=True)
class Reapplicable:
    """Records of an entity that were written to a target with other settings than `version`, in use now."""

    spec: Spec
    target: str
    keys: Sequence[str]
    version: int


async def reapplicable(
    database: Database,
    connection: str,
    since: datetime,
    entities: Sequence[Spec] = ENTITIES,
    *,
    model: type[BaseModel],
) -> list[Reapplicable]:
    """Records with content from `since` or later that were written with settings that differ for them.

    Raises TargetDown.
    """
    definitions = Definitions(database)
    in_use, history = await definitions.get(connection), await definitions.history(connection)
    found = []
    for spec, target in rewritable(entities):
        same = same_for(spec.name, in_use, history, model, entities)
        keys = [key async for key in _keys(database, connection, spec.name, target, same, since)]
        if keys:
            found.append(Reapplicable(spec, target, keys, in_use.version))
    return found


def same_for(
    entity: str,
    in_use: DefinitionsVersion,
    history: Sequence[DefinitionsVersion],
    model: type[BaseModel],
    entities: Sequence[Spec] = ENTITIES,
) -> list[int]:
    """The versions with which an entity is written as with the one in use, that one included. Pure.

    The entity's own sections and the vendors' count, not those of other entities, nor settings that are marked as
    unable to change what is written.
    """
    others = {spec.name for spec in entities} - {entity}

    def concerns(change: Change) -> bool:
        _, *inner = change.path.split(".")
        return inner[0] not in others

    def differs(other: DefinitionsVersion) -> bool:
        return any(map(concerns, written_changes(changes(other.settings, in_use.settings, model), model)))

    return [in_use.version, *(one.version for one in history if one.version != in_use.version and not differs(one))]


def rewritable(entities: Sequence[Spec]) -> Iterator[tuple[Spec, str]]:
    """States that can be read again, with the targets that their own events are written to.

    A fact was done once, with what was chosen then. Where a writer takes another event (a link), that event follows
    from writing the record.
    """
    for spec in entities:
        if spec.kind == "state" and spec.read_again:
            yield from ((spec, target) for target, _ in spec.writers if preview_of(spec.name, target, entities))


async def _keys(
    database: Database, connection: str, entity: str, target: str, same: Sequence[int], since: datetime
) -> AsyncIterator[str]:
    after = ""
    while True:
        page = await keys_with_other_definitions(
            database, connection, entity, target, same, since=since, after=after, limit=_PAGE
        )
        for key in page:
            yield key
        if len(page) < _PAGE:
            return
        after = page[-1]


@dataclass(frozen=True, slots=True)
class Affected:
    """One record that would be written differently: its number, what it comes to, and the calls."""

    key: str
    number: str
    total: Decimal
    currency: str
    calls: Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class ReapplyPreview:
    """What re-applying would do to records of one entity and target.

    `unchanged` is how many stay as they are; `problems` say, by key, why a record would not go through.
    """

    affected: list[Affected] = field(default_factory=list)
    unchanged: int = 0
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def money(self) -> dict[str, Decimal]:
        """What the affected records come to, by currency."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for one in self.affected:
            sums[one.currency] += one.total
        return dict(sums)


async def preview_reapply(
    parts: PreviewParts,
    connection: str,
    records: Reapplicable,
    progress: Callable[[int], None] = lambda _: None,
) -> ReapplyPreview:
    """Run the writer on each record as its source holds it now, without writing.

    `progress` is told how many were looked at. Raises TargetDown where the source is down: nothing can be said then.
    """
    result, parts = ReapplyPreview(), replace(parts, reapplies=True)
    waiting, done = iter(records.keys), 0

    async def work() -> None:
        nonlocal done
        for key in waiting:
            await _preview_one(parts, connection, records.spec, records.target, key, result)
            done += 1
            progress(done)

    tasks = [asyncio.create_task(work()) for _ in range(_AT_ONCE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    order = {key: at for at, key in enumerate(records.keys)}
    result.affected.sort(key=lambda one: order[one.key])
    return result


async def _preview_one(
    parts: PreviewParts, connection: str, spec: Spec, target: str, key: str, result: ReapplyPreview
) -> None:
    try:
        record: ReadRecord = await load(spec.read_now)(parts, connection, key)
        preview: Preview = await load(preview_of(spec.name, target))(parts, connection, record.body)
    except TargetDown:
        raise
    except IntegrationError as error:
        result.problems[key] = error.reason
        return
    if preview.problem:
        result.problems[key] = preview.problem
    elif preview.calls:
        result.affected.append(Affected(key, record.number, record.total, record.currency, preview.calls))
    else:
        result.unchanged += 1


async def reapply(
    settings: Settings, connection: str, records: Sequence[Reapplicable], *, author: str, because: str
) -> int:
    """Have these records read back and written with the definitions in use; how many notices were sent.

    They travel at backfill priority. Each is written at most once: what was written with these definitions meanwhile
    is a duplicate. Raises Rejected where another version was published since these records were looked up, TargetDown,
    after which it can be done again.
    """
    async with Database.open(settings.database_url, 1) as database:
        clock: Clock = await database_clock(database, SystemClock())
        in_use = await Definitions(database).get(connection)
        version = in_use.version
        if any(one.version != version for one in records):
            raise Rejected(
                f"version {version} was published by {in_use.author} meanwhile: nothing was sent, look at it again"
            )
        counts = {f"{one.spec.name}:{one.target}": len(one.keys) for one in records}
        details = {"records": counts, "version": version, "because": because}
        async with audited(Audit(database), clock, author, "settings.reapply", connection, details) as outcome:
            outcome["sent"] = await _send_notices(settings, connection, records, version, clock)
    return int(outcome["sent"])


async def _send_notices(
    settings: Settings, connection: str, records: Sequence[Reapplicable], version: int, clock: Clock
) -> int:
    """One notice per record, whatever the number of its targets; how many."""
    keys = {(one.spec.name, key): one.spec for one in records for key in one.keys}
    run, headers = uuid.uuid4().hex[:8], asked_for("definitions", version)
    async with open_producer(settings, clock) as producer:
        for (_, key), spec in keys.items():
            event_id = f"reapply:{run}:{spec.name}:{key}"
            topic, notice = load(spec.read_again)(connection, key, event_id, clock.now(), headers)
            await producer.send(topic, notice)
    return len(keys)
