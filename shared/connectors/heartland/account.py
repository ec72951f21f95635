"""A Heartland account: its address and secrets, read from a connection's credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class HeartlandAccount:
    """`base_url` ends with neither `/api` nor a slash. Secrets are not part of the repr.

    `hook_token` is the secret part of the webhook URLs; the previous one is accepted during a rotation.
    """

    base_url: str
    api_token: str = field(repr=False)
    hook_token: str = field(default="", repr=False)
    previous_hook_token: str = field(default="", repr=False)

    @classmethod
    def read(cls, credentials: Mapping[str, str]) -> HeartlandAccount:
        """The account in the credentials `base_url`, `api_token`, `hook_token`, `previous_hook_token`.

        Raises Misconfigured if the address or the API token is missing.
        """
        missing = [name for name in ("base_url", "api_token") if not credentials.get(name)]
        if missing:
            raise Misconfigured(f"the Heartland credentials lack {' and '.join(missing)}")
        return cls(
            base_url=normalized_base_url(credentials["base_url"]),
            api_token=credentials["api_token"],
            hook_token=credentials.get("hook_token", ""),
            previous_hook_token=credentials.get("previous_hook_token", ""),
        )

    @property
    def hook_tokens(self) -> tuple[str, ...]:
        return tuple(token for token in (self.hook_token, self.previous_hook_token) if token)


def normalized_base_url(address: str) -> str:
    """The address with scheme and without `/api`. People enter it in all these forms."""
    url = address.strip().rstrip("/").removesuffix("/api").rstrip("/")
    return url if "://" in url else f"https://{url}"
