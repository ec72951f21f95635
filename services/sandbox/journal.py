"""The journal of every write that the vendors received, in order of arrival; tests compare with it.

Entries are kept in a file, named or temporary, with one offset each in memory, so that a long run needs little memory.
A write that a fault rejected before it was applied is missing; an applied one is present even if its answer was lost.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

Body = bytes | dict[str, Any] | list[Any] | str | None


class Journal:
    """Entries are numbered from 1.

    Each has number, at, system, operation, method, path, body, status, response.
    """

    def __init__(self, now: Callable[[], datetime], path: str = "") -> None:
        self._now = now
        self._path = path
        self._file = _open(path)
        # Closes the file even if the world is never closed, as in some tests.
        self.close = weakref.finalize(self, os.close, self._file)
        self._end = os.fstat(self._file).st_size
        self._offsets = array("Q")
        self._systems = bytearray()
        self._names: list[str] = []
        self.last = 0

    def add(
        self, system: str, operation: str, method: str, path: str, body: Body, status: int, response: Body = None
    ) -> int:
        """Appends one write; returns its number. JSON given as `bytes` is stored unchanged."""
        self.last += 1
        entry = {
            "number": self.last,
            "at": self._now().isoformat(timespec="microseconds"),
            "system": system,
            "operation": operation,
            "method": method,
            "path": path,
            "body": _verbatim(body),
            "status": status,
            "response": _verbatim(response),
        }
        line = orjson.dumps(entry, default=_exact) + b"\n"
        self._offsets.append(self._end)
        self._systems.append(self._number_of(system))
        os.write(self._file, line)
        self._end += len(line)
        return self.last

    def lines(self, system: str = "", after: int = 0, limit: int = 0) -> Iterator[bytes]:
        """Entries after number `after` as JSON lines; at most `limit`, or all if 0."""
        wanted = self._number_of(system) if system else None
        left = limit or len(self._offsets)
        for index in range(max(after, 0), len(self._offsets)):
            if left == 0:
                return
            if wanted is None or self._systems[index] == wanted:
                left -= 1
                yield self._read(index)

    def entries(self, system: str = "", after: int = 0, limit: int = 0) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.lines(system, after, limit)]

    def clear(self) -> None:
        """Removes all entries; a named file keeps its lines."""
        del self._offsets[:]
        self._systems.clear()
        self.last = 0
        if not self._path:
            os.truncate(self._file, 0)
            self._end = 0

    def _read(self, index: int) -> bytes:
        start = self._offsets[index]
        stop = self._offsets[index + 1] if index + 1 < len(self._offsets) else self._end
        return os.pread(self._file, stop - start, start).rstrip(b"\n")

    def _number_of(self, system: str) -> int:
        if system not in self._names:
            self._names.append(system)
        return self._names.index(system)


def _open(path: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o600)
    folder = tempfile.mkdtemp(prefix="sandbox-journal-")
    name = Path(folder) / "journal.jsonl"
    file = os.open(name, flags, 0o600)
    # Unlinked at once, so that it disappears with the process, however that ends.
    name.unlink()
    Path(folder).rmdir()
    return file


def _verbatim(body: Body) -> object:
    if not isinstance(body, bytes):
        return body
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace") or None
    # An entry is one line; raw line ends within JSON can only be whitespace between tokens.
    return orjson.Fragment(body.replace(b"\r", b" ").replace(b"\n", b" "))


def _exact(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f").encode())
    raise TypeError(f"not JSON: {type(value).__name__}")
