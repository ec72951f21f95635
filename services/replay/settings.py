"""Settings of the replay tool: those that every service needs."""

from __future__ import annotations

from shared.runtime.settings import Settings as Common


class Settings(Common):
    pass
