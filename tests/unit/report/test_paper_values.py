"""The paper's numbers, against a second listing of them typed from the paper's tables."""

from __future__ import annotations

import pytest

from sdk_builder.report import paper
from sdk_builder.report.paper_values import FIGURES, PEERS, TABLE_2, TABLE_3, TABLE_4, TABLES, Task

TABLE_2_TYPED = {
    ("answer_relevancy", "healthcare"): 0.85,
    ("answer_relevancy", "legal"): 0.81,
    ("answer_relevancy", "finance"): 0.86,
    ("summarization", "legal"): 0.86,
    ("factual", "finance"): 0.83,
}
TABLES_3_AND_4_TYPED = {  # suite, metric: 250M, 500M
    ("bbq", "accuracy"): (50.2, 54.08),
    ("toxigen", "accuracy"): (47.5, 51.5),
    ("implicit-hate", "accuracy"): (63, 69.04),
    ("crows-pairs", "likelihood_difference"): (3.11, 3.02),
    ("crows-pairs", "stereotype_share"): (52.07, 51.9),
}
FIGURE_6_TYPED = {
    ("NVIDIA L40s", "Shakti-500M"): 583.88,
    ("NVIDIA L40s", "SmolLM2-360M"): 281.98,
    ("Intel Xeon 8488C, 8 cores", "Shakti-500M"): 72.02,
    ("Intel Xeon 8488C, 8 cores", "Qwen2.5-0.5B"): 45.89,
    ("Apple M3 Max", "Shakti-250M"): 385.00,
    ("Raspberry Pi 5", "Shakti-500M"): 29.54,
    ("Raspberry Pi 5", "SmolLM2-360M"): 28.99,
    ("iPhone 14", "Shakti-500M"): 62.4,
    ("iPhone 14", "Shakti-100M"): 153.7,
}


def test_table_2_is_of_250m_alone():
    found = {(p.measure.metric, p.measure.group): p.value for p in TABLE_2.published}
    assert found == TABLE_2_TYPED
    assert TABLE_2.models == ("Shakti-250M",)


def test_tables_3_and_4_are_of_250m_and_500m():
    found = {
        (p.measure.suite, p.measure.metric, p.model): p.value
        for table in (TABLE_3, TABLE_4)
        for p in table.published
    }
    assert found == {
        (*key, model): value
        for key, values in TABLES_3_AND_4_TYPED.items()
        for model, value in zip(("Shakti-250M", "Shakti-500M"), values, strict=True)
    }


def test_figure_6_and_the_statement_of_figure_5():
    assert {(r.hardware, r.model): r.rate for r in paper.FIGURE_6} == FIGURE_6_TYPED
    assert {r.scheme for r in paper.FIGURE_6} == {"Q4"}
    assert paper.Q4_TIMES_SMALLER == 8


def test_what_the_paper_does_not_say_has_no_value():
    summarization = TABLE_2.measures[3]
    assert (summarization.metric, summarization.group) == ("summarization", "healthcare")
    assert TABLE_2.value("Shakti-250M", summarization) is None
    assert all(TABLE_2.value("Shakti-500M", measure) is None for measure in TABLE_2.measures)


def test_each_published_value_is_of_a_column_of_its_table():
    for table in TABLES:
        assert {p.measure for p in table.published} <= set(table.measures)


def test_peers_are_the_ten_of_the_paper():
    assert set(PEERS) == {
        *("Boomer-634M", "Boomer-1B", "SmolLM-135M", "SmolLM-360M", "AMD-Llama-135M"),
        *("Qwen2.5-0.5B", "Llama-3.2-1B", "Phi-1.5", "Gemma-2B", "OPT-2.7B"),
    }


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("mmlu", "MMLU"),
        ("mmlu_anatomy", "MMLU, medicine"),
        ("mmlu_marketing", None),
        ("bbh_cot_fewshot", "BigBenchHard"),
        ("ifeval", "IFEval"),
        ("hellaswag", "HellaSwag"),
        ("anli_r1", "ANLI"),
        ("piqa", "PIQA"),
        ("openbookqa", "OpenBookQA"),
        ("truthfulqa_mc2", "TruthfulQA"),
        ("winogrande", "WinoGrande"),
        ("arc_challenge", "ARC challenge"),
        ("arc_easy", None),
        ("squadv2", "SQuAD"),
        ("triviaqa", "TriviaQA"),
        ("boolq", "BoolQ"),
        ("social_iqa", "Social IQA"),
        ("commonsense_qa", "CommonsenseQA"),
        ("medqa_4options", "MedQA"),
        ("medmcqa", "MedMCQA"),
        ("pubmedqa", "PubMedQA"),
        ("finance_bench", "FinanceBench"),
        ("flare_finqa", "FinQA"),
        ("flare_fpb", "FLARE"),
        ("piqalike", None),
    ],
)
def test_tasks_of_lm_eval_find_their_benchmark(name, title):
    from sdk_builder.report.paper_tables import task_of

    found = task_of(name)
    assert (found and found[1].title) == title


def test_figures_have_numbers_and_no_task_twice():
    assert [figure.number for figure in FIGURES] == [1, 2, 3, 4]
    tasks: list[Task] = [task for figure in FIGURES for task in figure.tasks]
    assert len({task.title for task in tasks}) == len(tasks)
