from __future__ import annotations

from shared.state.ledger import Effect, effect_id


def test_an_effect_has_the_same_id_for_all_time() -> None:
    effect = Effect("demo", "heartland", "order", "1001", "order:create")

    assert effect.id == effect_id("demo", "heartland", "order", "1001", "order:create")
    assert effect.id == "55ae81d8ad5b50e379ca224069ff725e49e40f42927e1c428d605d8cb78dcdec"


def test_parts_never_run_together() -> None:
    assert effect_id("a", "b", "c", "d1", "2:e") != effect_id("a", "b", "c", "d", "12:e")
    assert effect_id("ab", "", "c", "d", "e") != effect_id("a", "b", "c", "d", "e")
