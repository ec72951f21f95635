"""The signature is checked over bytes, under every secret that is active."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.connectors.shopify.signature import sign, verify


def test_either_secret_of_a_rotation_fits() -> None:
    body = b'{"id":1}'

    assert verify(body, sign(body, "old"), ["new", "old"])
    assert verify(body, sign(body, "new"), ["new", "old"])
    assert not verify(body, sign(body, "older"), ["new", "old"])


def test_no_secret_and_an_empty_secret_fit_nothing() -> None:
    assert not verify(b"{}", sign(b"{}", ""), [])
    assert not verify(b"{}", sign(b"{}", ""), [""])


def test_a_header_that_is_not_ascii_fits_nothing() -> None:
    assert not verify(b"{}", "ü\udce4=", ["secret"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(), st.text(min_size=1).filter(lambda text: text.isascii()), st.integers(min_value=0))
def test_one_changed_bit_breaks_it(body: bytes, secret: str, at: int) -> None:
    header = sign(body, secret)
    assert verify(body, header, [secret])
    assert not verify(body + b"\n", header, [secret])
    if body:
        place = at % len(body)
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        assert not verify(changed, header, [secret])
