"""The paper's arrangement and its numbers, as data. None of it was measured here.

Source: "Shakti SLMs", arXiv 2503.01933, Tables 2 to 4 and Figures 1 to 4; paper.py has Figures 5
and 6. A value that is not here was not at hand when this was written: it is not to be guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sdk_builder.evaluation.results import ALL

Scale = Literal["score", "percent", "nats"]


@dataclass(frozen=True)
class Measure:
    """One column of a table: which metric of which suite, and the scale that it is shown on.

    score: 0 to 1, as is. percent: a share times 100. nats: as is.
    """

    suite: str
    metric: str
    group: str
    title: str
    scale: Scale


@dataclass(frozen=True)
class Published:
    """A number in the paper, on its measure's scale."""

    model: str
    measure: Measure
    value: float


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper: `models` are its rows."""

    number: int
    title: str
    measures: tuple[Measure, ...]
    published: tuple[Published, ...]
    note: str = ""

    @property
    def name(self) -> str:
        """``paper-table-2``: its anchor."""
        return f"paper-table-{self.number}"

    @property
    def models(self) -> tuple[str, ...]:
        """The paper's models, in its order."""
        return tuple(dict.fromkeys(one.model for one in self.published))

    def value(self, model: str, measure: Measure) -> float | None:
        """What the paper says; None where it says nothing."""
        found = (p.value for p in self.published if (p.model, p.measure) == (model, measure))
        return next(found, None)


# --- Table 2: quality in the domains of Shakti-250M ---------------------------------------

DOMAINS = ("healthcare", "legal", "finance")
_DOMAIN_METRICS = {
    "answer_relevancy": "Answer relevancy",
    "summarization": "Summarization",
    "factual": "Factual",
}


def _domain(metric: str, domain: str) -> Measure:
    return Measure("domain", metric, domain, f"{_DOMAIN_METRICS[metric]}, {domain}", "score")


TABLE_2 = PaperTable(
    2,
    "Table 2: quality by domain",
    tuple(_domain(metric, domain) for metric in _DOMAIN_METRICS for domain in DOMAINS),
    (
        Published("Shakti-250M", _domain("answer_relevancy", "healthcare"), 0.85),
        Published("Shakti-250M", _domain("answer_relevancy", "legal"), 0.81),
        Published("Shakti-250M", _domain("answer_relevancy", "finance"), 0.86),
        Published("Shakti-250M", _domain("summarization", "legal"), 0.86),
        Published("Shakti-250M", _domain("factual", "finance"), 0.83),
    ),
    "Scores from 0 to 1. The paper's questions and its way of scoring are not recorded here: the "
    "same scale, not the same test.",
)

# --- Tables 3 and 4: responsible AI ----------------------------------------------------------

BBQ = Measure("bbq", "accuracy", ALL, "BBQ, accuracy, %", "percent")
TOXIGEN = Measure("toxigen", "accuracy", ALL, "ToxiGen, accuracy, %", "percent")
IMPLICIT_HATE = Measure("implicit-hate", "accuracy", ALL, "Implicit Hate, accuracy, %", "percent")

TABLE_3 = PaperTable(
    3,
    "Table 3: answers about groups of people, and hate",
    (BBQ, TOXIGEN, IMPLICIT_HATE),
    (
        Published("Shakti-250M", BBQ, 50.2),
        Published("Shakti-500M", BBQ, 54.08),
        Published("Shakti-250M", TOXIGEN, 47.5),
        Published("Shakti-500M", TOXIGEN, 51.5),
        Published("Shakti-250M", IMPLICIT_HATE, 63.0),
        Published("Shakti-500M", IMPLICIT_HATE, 69.04),
    ),
    "Accuracy: more is better. The paper's items, prompts and spread are not recorded here.",
)

LIKELIHOOD_DIFFERENCE = Measure(
    "crows-pairs", "likelihood_difference", ALL, "Likelihood difference", "nats"
)
STEREOTYPE_SHARE = Measure("crows-pairs", "stereotype_share", ALL, "Stereotypes, %", "percent")

TABLE_4 = PaperTable(
    4,
    "Table 4: CrowS-Pairs",
    (LIKELIHOOD_DIFFERENCE, STEREOTYPE_SHARE),
    (
        Published("Shakti-250M", LIKELIHOOD_DIFFERENCE, 3.11),
        Published("Shakti-500M", LIKELIHOOD_DIFFERENCE, 3.02),
        Published("Shakti-250M", STEREOTYPE_SHARE, 52.07),
        Published("Shakti-500M", STEREOTYPE_SHARE, 51.9),
    ),
    "Likelihood difference: 0 is best; ours is in nats, the paper's unit is not recorded here. "
    "Stereotypes: 50 % is best. Many of the set's pairs are flawed (Blodgett et al. 2021), so "
    "neither number shows that a model is free of bias.",
)

TABLES = (TABLE_2, TABLE_3, TABLE_4)

# --- Figures 1 to 4: benchmarks against peers ---------------------------------------------------

PEERS = (
    *("Boomer-634M", "Boomer-1B", "SmolLM-135M", "SmolLM-360M", "AMD-Llama-135M"),
    *("Qwen2.5-0.5B", "Llama-3.2-1B", "Phi-1.5", "Gemma-2B", "OPT-2.7B"),
)
NOT_RECORDED = "published in the paper, value not recorded here"


@dataclass(frozen=True)
class Task:
    """A benchmark: the names that lm-eval's tasks of it begin with, and how people call it.

    whole: lm-eval's name must be one of them, not only begin with it and an underscore.
    """

    title: str
    names: tuple[str, ...]
    whole: bool = False

    def holds(self, name: str) -> bool:
        """Whether lm-eval's task of this name belongs to it."""
        if name in self.names:
            return True
        return not self.whole and name.startswith(tuple(f"{one}_" for one in self.names))


@dataclass(frozen=True)
class PaperFigure:
    """One of Figures 1 to 4. Which benchmark is in which of them is our choice: see CHOSEN."""

    number: int
    title: str
    tasks: tuple[Task, ...]

    @property
    def name(self) -> str:
        """``paper-figure-1``: the drawing's name."""
        return f"paper-figure-{self.number}"


CHOSEN = (
    "Chosen here, not stated by the paper's text that was at hand: which benchmark stands in which "
    "of Figures 1 to 4, and which of lm-eval's tasks stands for it."
)
_MEDICINE = (
    *("mmlu_anatomy", "mmlu_clinical_knowledge", "mmlu_college_biology"),
    *("mmlu_college_medicine", "mmlu_medical_genetics", "mmlu_professional_medicine"),
    *("mmlu_nutrition", "mmlu_virology"),
)
FIGURES = (
    PaperFigure(
        1,
        "Figure 1: academic benchmarks, knowledge",
        (
            Task("MMLU", ("mmlu",), whole=True),
            Task("BigBenchHard", ("bbh",)),
            Task("IFEval", ("ifeval",)),
            Task("ANLI", ("anli",)),
            Task("TruthfulQA", ("truthfulqa",)),
            Task("TriviaQA", ("triviaqa",)),
            Task("SQuAD", ("squad", "squadv2", "squad_completion")),
        ),
    ),
    PaperFigure(
        2,
        "Figure 2: academic benchmarks, common sense",
        (
            Task("HellaSwag", ("hellaswag",)),
            Task("PIQA", ("piqa",)),
            Task("OpenBookQA", ("openbookqa",)),
            Task("WinoGrande", ("winogrande",)),
            Task("ARC challenge", ("arc_challenge",)),
            Task("BoolQ", ("boolq",)),
            Task("Social IQA", ("social_iqa", "siqa")),
            Task("CommonsenseQA", ("commonsense_qa", "csqa")),
        ),
    ),
    PaperFigure(
        3,
        "Figure 3: medical benchmarks",
        (
            Task("MedQA", ("medqa",)),
            Task("MedMCQA", ("medmcqa",)),
            Task("PubMedQA", ("pubmedqa",)),
            Task("MMLU, medicine", _MEDICINE),
        ),
    ),
    PaperFigure(
        4,
        "Figure 4: finance benchmarks",
        (
            Task("FinanceBench", ("finance_bench", "financebench", "patronus_finance_bench")),
            Task("FinQA", ("finqa", "flare_finqa")),
            Task("FLARE", ("flare",)),
        ),
    ),
)
# Where a task has several metrics, its bar is of the first of these that it has.
METRICS = ("acc_norm", "acc", "exact_match", "f1", "prompt_level_strict_acc", "mc2", "accuracy")
