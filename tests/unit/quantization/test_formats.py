"""What a tensor costs in each format, worked out by hand."""

from __future__ import annotations

import pytest

from sdk_builder.quantization.formats import FLOAT, INT4, INT4_OFFSET, INT8, WeightFormat


@pytest.mark.parametrize(
    ("weight_format", "bits"),
    [
        # A matrix of 3 rows of 64: 192 weights, 6 groups of 32.
        (FLOAT, 192 * 32),
        (INT8, 192 * 8 + 3 * 32),  # an fp32 scale a row
        (INT4, 192 * 4 + 6 * 16),  # a bf16 scale a group
        (INT4_OFFSET, 192 * 4 + 6 * 16 + 6 * 8 + 3 * 32),  # and an int8 offset, an fp32 step a row
    ],
)
def test_a_matrix_costs_its_weights_and_their_side_data(
    weight_format: WeightFormat, bits: int
) -> None:
    assert weight_format.size_bits((3, 64)) == bits


def test_a_vector_is_fp32() -> None:
    assert FLOAT.size_bits((640,)) == 640 * 32


@pytest.mark.parametrize(
    ("weight_format", "effective"), [(FLOAT, 32.0), (INT8, 8.05), (INT4, 4.5), (INT4_OFFSET, 4.8)]
)
def test_effective_bits_of_a_matrix_of_640_columns(
    weight_format: WeightFormat, effective: float
) -> None:
    assert weight_format.size_bits((1000, 640)) / 640_000 == pytest.approx(effective)


def test_only_grouped_formats_ask_for_whole_groups() -> None:
    assert FLOAT.fits((5, 33))
    assert INT8.fits((5, 33))
    for grouped in (INT4, INT4_OFFSET):
        assert grouped.fits((5, 64))
        assert not grouped.fits((5, 33))
        assert not grouped.fits((32, 48))
