from __future__ import annotations

import base64

import pytest

from shared.errors import Misconfigured
from shared.state.encryption import read_key, seal, unseal

KEY = bytes(range(32))


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_both_forms_of_base64_are_read(encode: object) -> None:
    key = b"\xfb\xff" * 16
    text = encode(key).decode()  # type: ignore[operator]

    assert read_key(text) == key
    assert read_key(text.rstrip("=") + "\n") == key


@pytest.mark.parametrize("text", ["", "changeme", "!" * 44, base64.b64encode(b"short").decode()])
def test_what_is_no_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(Misconfigured, match="SECRET_KEY must be 32 random bytes") as error:
        read_key(text)

    assert not text or text not in error.value.reason


def test_what_was_sealed_opens_for_its_name_alone() -> None:
    sealed = seal(KEY, "demo", b"token")

    assert unseal(KEY, "demo", sealed) == b"token"
    with pytest.raises(Misconfigured, match="'other'"):
        unseal(KEY, "other", sealed)


@pytest.mark.parametrize("position", [0, 1, 12, 13, -1])
def test_a_changed_byte_is_noticed(position: int) -> None:
    sealed = bytearray(seal(KEY, "demo", b"token"))
    sealed[position] ^= 1

    with pytest.raises(Misconfigured, match="SECRET_KEY does not open"):
        unseal(KEY, "demo", bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + bytes(12)])
def test_a_cut_row_is_noticed(sealed: bytes) -> None:
    with pytest.raises(Misconfigured):
        unseal(KEY, "demo", sealed)


def test_the_same_text_is_sealed_differently_each_time() -> None:
    assert seal(KEY, "demo", b"token") != seal(KEY, "demo", b"token")
