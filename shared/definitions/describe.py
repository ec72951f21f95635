"""Lists what a merchant may set.

Path, type, default and description of each setting, from the model alone. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import orjson
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from shared.definitions.paths import setting_fields

_WORDS = {bool: "true or false", int: "whole number", float: "number", str: "text"}

_INTRODUCTION = """# Connection settings

<!-- Generated: tillbridge settings describe --markdown -->

What differs from merchant to merchant is data of the connection, not of the installation. Everything has a default.
An unknown key or a value of a wrong type is refused before anything is stored, with the nearest right name.
Descriptions that begin with "Assumed" are facts about the vendor that no public document settles: try them on a test
account, and switch them where yours behaves otherwise.

`tillbridge settings show` prints what is set, `history` every version with its author. To change something:

```
tillbridge settings set heartland.order.order_prefix=W- --because "the stores sort by it"
```

This publishes a new version. Events that arrive from then on are written with it. What was written before stays as it
is, and is no difference for the reconciler, until `tillbridge settings reapply` writes it again, at backfill priority;
it first shows how many records would change, and what they come to. It leaves out records for which no setting differs
that can change what is written.

The settings of a new connection may also come from the file that `CONNECTION_SETTINGS_FILE` names. `tillbridge connect`
and `tillbridge run` publish the file's settings wherever they differ from those in use: keep one or the other.

```json
{"heartland": {"order": {"source_location": "Online", "order_prefix": "W-", "can_cancel_order": false}}}
```
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `kind` says in words what it takes; `default` is as in JSON."""

    path: str
    kind: str
    default: Any
    says: str


def describe(model: type[BaseModel]) -> list[Setting]:
    """Every setting of a model, section by section."""
    return [
        Setting(path, _kind(field), field.get_default(call_default_factory=True), field.description or "")
        for path, field in setting_fields(model)
    ]


def reference(settings: Sequence[Setting]) -> str:
    """The settings as a Markdown document, a table per section."""
    lines = [
        _INTRODUCTION,
    ]
    for section in dict.fromkeys(one.path.rpartition(".")[0] for one in settings):
        lines += [f"## {section}", "", "| setting | takes | default | what it does |", "|---|---|---|---|"]
        lines += [_row(one) for one in settings if one.path.rpartition(".")[0] == section]
        lines.append("")
    return "\n".join(lines)


def _row(one: Setting) -> str:
    cells = (f"`{one.path}`", one.kind, f"`{orjson.dumps(one.default).decode()}`", one.says.replace("|", "\\|"))
    return f"| {' | '.join(cells)} |"


def _kind(field: FieldInfo) -> str:
    return _in_words(field.annotation)


def _in_words(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_in_words(one) for one in get_args(kind) if one is not NoneType)
    if get_origin(kind) is dict:
        key, value = get_args(kind)
        return f"object: {_in_words(key)} to {_in_words(value)}"
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)))
