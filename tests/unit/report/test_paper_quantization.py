"""What may be said of differences between formats, and how it is said."""

from __future__ import annotations

import pytest

from sdk_builder.report.content import Cell
from sdk_builder.report.paper_inputs import series_of
from sdk_builder.report.quantization_table import (
    against_float,
    judge,
    quantization,
    show_p,
    signed,
)
from tests.unit.report.evaluations import comparison, metric, near, result

MISSING = Cell("not measured", "", "missing")


def compared(*found):
    return list(found)


def test_holm_adjusts_over_all_tests_of_the_report():
    judged = judge(
        compared(
            comparison("a", -0.1, low=-0.2, high=-0.01, p_value=0.01),
            comparison("b", -0.1, low=-0.2, high=-0.01, p_value=0.04),
            comparison("c", -0.1, low=-0.2, high=-0.01),
            comparison("d", 0.1, low=0.01, high=0.2, p_value=0.03),
        )
    )
    # Sorted: 0.01 x 3, 0.03 x 2, 0.04 x 1 and not below the one before.
    assert [one.adjusted for one in judged] == [
        pytest.approx(0.03),
        pytest.approx(0.06),
        None,
        pytest.approx(0.06),
    ]
    assert [one.verdict for one in judged] == [
        "a difference was shown",
        "nothing was shown, taking all tests together",
        "differs by its interval; not tested",
        "nothing was shown, taking all tests together",
    ]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"low": -0.1, "high": 0.1, "p_value": 0.8}, "nothing was shown: the interval includes 0"),
        ({"low": 0.0, "high": 0.1, "p_value": 0.001}, "nothing was shown: the interval includes 0"),
        ({"low": 0.0, "high": 0.0}, "nothing was shown: the interval includes 0"),
        ({}, "nothing can be said: no interval, no test"),
        ({"p_value": 0.2}, "nothing was shown, taking all tests together"),
        ({"p_value": 0.02}, "a difference was shown"),
    ],
)
def test_verdict_of_one_comparison(values, verdict):
    (one,) = judge(compared(comparison("accuracy", 0.01, **values)))
    assert one.verdict == verdict


def test_comparison_without_a_difference_is_not_measured():
    made = quantization(judge(compared(comparison("accuracy", None, items=0))))
    assert made.rows[0][3] == MISSING
    assert made.rows[0][-1].text == "not measured"


def test_difference_of_shares_is_in_percentage_points():
    made = quantization(
        judge(
            compared(
                comparison("accuracy", -0.02, low=-0.035, high=0.005, p_value=0.0004, changed=7),
                comparison("likelihood_difference", 0.0123, low=0.001, high=0.02, unit="nats"),
            )
        )
    )
    share, nats = made.rows
    assert share[3] == Cell("-2.00 pp", "-3.50 to +0.50\nn=100", "measured")
    assert [c.text for c in share[4:7]] == ["< 0.001", "< 0.001", "7 of 100"]
    assert nats[3] == Cell("+0.0123", "+0.001 to +0.02\nn=100", "measured")
    assert [c.text for c in nats[4:7]] == ["none", "none", "not counted"]
    assert "Holm for the 1 tests" not in made.note
    assert "Holm for 1 test" in made.note
    assert "is not 'nothing changed'" in made.note


def test_without_comparisons_it_says_so():
    assert quantization(()).empty.startswith("Not measured")
    assert [signed(0.0), signed(-0.0001), signed(1.5)] == ["0.00", "0.00", "+1.50"]
    assert [show_p(None), show_p(0.0005), show_p(0.25)] == ["none", "< 0.001", "0.250"]


def test_perplexity_against_the_float_model():
    ours = series_of(
        [
            result(
                "perplexity",
                [
                    metric("perplexity", 17.25, items=999, unit="score"),
                    near("perplexity_ratio", 1.15, 0.01, items=999, unit="ratio"),
                ],
            )
        ]
    )
    (row,) = against_float(ours).rows
    assert row[1] == Cell("17.2", "no interval\nn=999", "measured")
    assert row[2] == Cell("1.15", "1.14 to 1.16\nn=999", "measured")
    assert row[3] == MISSING
    assert against_float(()).empty.startswith("Not measured")
