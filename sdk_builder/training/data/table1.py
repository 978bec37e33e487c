"""The data sets that the Shakti models were trained on: Table 1 of the paper (arXiv 2503.01933).

Names are the paper's. Hub ids, splits, fields and licences are what we know of the data sets
themselves: None, or "unknown", where we do not. Read a licence before you train.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdk_builder.errors import UnknownModelError, UsageError
from sdk_builder.rows.hub import HubName
from sdk_builder.training.data.fields import Fields
from sdk_builder.training.data.records import STAGES, Stage

MODELS = ("shakti-100m", "shakti-250m", "shakti-500m")
UNKNOWN = "unknown"


@dataclass(frozen=True)
class DataSet:
    """One entry of the table. fields: None: recognised by the first row."""

    name: str
    stage: Stage
    models: tuple[str, ...]
    hub: HubName | None = None
    licence: str = UNKNOWN
    fields: Fields | None = None
    note: str = ""

    @property
    def spec(self) -> str | None:
        """What `open_source` takes, or None if there is no hub id that we are sure of."""
        return str(self.hub) if self.hub else None


def data_sets(stage: Stage, model: str) -> tuple[DataSet, ...]:
    """Those of a stage of a model's training, in the paper's order; none if it had no such stage.

    Raises UsageError for an unknown stage, UnknownModelError for an unknown model.
    """
    if stage not in STAGES:
        raise UsageError(f"No stage is called {stage!r}.", f"Use {', '.join(STAGES)}.")
    if model not in MODELS:
        raise UnknownModelError(
            f"Table 1 has no model called {model}.", f"It has {', '.join(MODELS)}."
        )
    return tuple(one for one in TABLE1 if one.stage == stage and model in one.models)


_100M, _250M, _500M = ((model,) for model in MODELS)
_SMOLLM = "HuggingFaceTB/smollm-corpus"
_ULTRAFEEDBACK = "HuggingFaceH4/ultrafeedback_binarized"
_SHAREGPT = Fields(messages="conversations")
_ALPACA = Fields(prompt=("instruction", "input"), response="output")

_PRETRAIN = (
    DataSet(
        "Common Crawl",
        "pretrain",
        (*_100M, *_500M),
        note="Web archives, no data set of the hub; under Common Crawl's terms of use. The paper "
        "does not say which crawls, or how they were filtered.",
    ),
    DataSet(
        "Fineweb-EDU-Dedup",
        "pretrain",
        (*_100M, *_250M),
        HubName(_SMOLLM, "fineweb-edu-dedup"),
        "odc-by",
        Fields(text="text"),
    ),
    DataSet(
        "AIR-Bench/qa_finance_en",
        "pretrain",
        _250M,
        HubName("AIR-Bench/qa_finance_en"),
        note="A benchmark of retrieval in several configurations, among them its texts; "
        "configuration, split and fields are not checked.",
    ),
    DataSet(
        "Vidhaan/LegalCitationWorthiness",
        "pretrain",
        _250M,
        HubName("Vidhaan/LegalCitationWorthiness", "small"),
        fields=Fields(text="Sentence"),
        note="Single sentences of case law. There are small, medium and large; the paper does not "
        "say which was used.",
    ),
    DataSet(
        "TxT360",
        "pretrain",
        _500M,
        HubName("LLM360/TxT360"),
        "odc-by",
        Fields(text="text"),
    ),
)

_SFT_100M = (
    DataSet(
        "Cosmopedia v2",
        "sft",
        _100M,
        HubName(_SMOLLM, "cosmopedia-v2"),
        "odc-by",
        Fields(prompt=("prompt",), response="text"),
    ),
    DataSet(
        "Magpie-Pro-300K-Filtered-H4",
        "sft",
        _100M,
        HubName("HuggingFaceTB/Magpie-Pro-300K-Filtered-H4", split="train_sft"),
    ),
    DataSet(
        "OpenHermes-2.5-H4",
        "sft",
        _100M,
        HubName("HuggingFaceTB/OpenHermes-2.5-H4", split="train_sft"),
    ),
    DataSet(
        "Self-oss-instruct-sc2-H4",
        "sft",
        _100M,
        HubName("HuggingFaceTB/self-oss-instruct-sc2-H4", split="train_sft"),
        note="The split is that of its siblings, not checked.",
    ),
    DataSet(
        "Everyday-conversations-llama3.1-2k",
        "sft",
        _100M,
        HubName("HuggingFaceTB/everyday-conversations-llama3.1-2k", split="train_sft"),
        fields=Fields(messages="messages"),
    ),
    DataSet(
        "Instruct-data-basics-smollm-H4",
        "sft",
        _100M,
        HubName("HuggingFaceTB/instruct-data-basics-smollm-H4", split="train_sft"),
    ),
)

_SFT_250M = (
    DataSet(
        "lavita/medical-qa-datasets",
        "sft",
        _250M,
        HubName("lavita/medical-qa-datasets", "all-processed"),
        fields=_ALPACA,
        note="There are several configurations; the paper does not say which was used.",
    ),
    DataSet(
        "ruslanmv/ai-medical-chatbot",
        "sft",
        _250M,
        HubName("ruslanmv/ai-medical-chatbot"),
        fields=Fields(prompt=("Patient",), response="Doctor"),
    ),
    DataSet(
        "axiong/pmc_llama_instructions",
        "sft",
        _250M,
        HubName("axiong/pmc_llama_instructions"),
        "openrail",
        _ALPACA,
        note="Made from the training parts of MedQA, MedMCQA and PubMedQA, which have licences of "
        "their own: evaluate on their test parts only.",
    ),
    DataSet(
        "winddude/reddit_finance_43_250k",
        "sft",
        _250M,
        HubName("winddude/reddit_finance_43_250k"),
        fields=Fields(prompt=("title", "selftext"), response="body"),
    ),
    DataSet(
        "Marina-C/question-answer-Subject-Finance-Instruct",
        "sft",
        _250M,
        HubName("Marina-C/question-answer-Subject-Finance-Instruct"),
        fields=Fields(messages="messages"),
    ),
    DataSet(
        "isaacus/open-australian-legal-qa",
        "sft",
        _250M,
        HubName("isaacus/open-australian-legal-qa"),
        "open-australian-legal-corpus",
        Fields(prompt=("question",), response="answer"),
        note="The licence is the data set's own, of this name.",
    ),
    DataSet(
        "mb7419/legal-advice-reddit",
        "sft",
        _250M,
        HubName("mb7419/legal-advice-reddit"),
        note="The id is as printed; id, split and fields are not checked. Name the fields.",
    ),
)

_SFT_500M = (
    DataSet("The Tome", "sft", _500M, HubName("arcee-ai/The-Tome"), "mit", _SHAREGPT),
    DataSet(
        "Infinity-Instruct",
        "sft",
        _500M,
        HubName("BAAI/Infinity-Instruct", "0625"),
        fields=_SHAREGPT,
        note="Needs a login. There are 3M, 7M, 0625, Gen and 7M_domains; the paper does not say "
        "which was used.",
    ),
)

_PREFERENCES = (
    DataSet(
        "UltraFeedback Binarized",
        "dpo",
        _100M,
        HubName(_ULTRAFEEDBACK, split="train_prefs"),
        "mit",
        Fields(prompt=("prompt",), chosen="chosen", rejected="rejected"),
    ),
    DataSet(
        "NickyNicky/nano_finance_200k",
        "dpo",
        _250M,
        note="As printed, perhaps shortened: we know no data set of the hub by just this name.",
    ),
    DataSet(
        "Dhananjayg22/legal-dpo",
        "dpo",
        _250M,
        note="As printed; we know no data set of the hub by this name.",
    ),
    DataSet(
        "UltraFeedback Binarized",
        "rlhf",
        _500M,
        HubName(_ULTRAFEEDBACK, split="train_gen"),
        "mit",
        Fields(prompt=("prompt",)),
        note="Its split for generation; the paper does not say which was used.",
    ),
)

TABLE1: tuple[DataSet, ...] = (*_PRETRAIN, *_SFT_100M, *_SFT_250M, *_SFT_500M, *_PREFERENCES)
