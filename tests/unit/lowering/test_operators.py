"""What the Android runtime has, and what a program may therefore call."""

from __future__ import annotations

import pytest

from sdk_builder.errors import ExportError, UnsupportedOperatorError
from sdk_builder.lowering.operators import (
    android_operators,
    missing_operators,
    require_android_operators,
)


def test_the_list_is_a_real_runtime_s() -> None:
    found = android_operators()
    assert len(found) > 200
    assert {"llama::custom_sdpa.out", "llama::update_cache.out", "aten::embedding.out"} <= found
    assert not any(name != name.strip() or name.startswith("#") for name in found)


def test_missing_operators_are_named_sorted_and_once() -> None:
    called = ["zoo::lion.out", "aten::add.out", "zoo::ant.out", "zoo::lion.out"]
    assert missing_operators(called) == ["zoo::ant.out", "zoo::lion.out"]
    assert missing_operators(["aten::add.out"]) == []


def test_a_program_that_no_phone_can_load_is_refused_by_name() -> None:
    require_android_operators(["aten::add.out"])
    with pytest.raises(UnsupportedOperatorError, match="zoo::ant.out, zoo::lion.out") as caught:
        require_android_operators(["zoo::lion.out", "zoo::ant.out", "aten::add.out"])
    assert isinstance(caught.value, ExportError)
    assert "aten::add" not in caught.value.message
