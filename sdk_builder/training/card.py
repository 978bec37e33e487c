"""The model card of a trained model: README.md with the hub's front matter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, StrictUndefined

from sdk_builder.training.inputs import hub_name

_NAMES = {
    "pretrain": "Pre-training",
    "sft": "Supervised fine-tuning",
    "dpo": "Direct preference optimization",
    "rlhf": "Reinforcement learning from rewards",
    "qat": "Quantization-aware training",
}

_CARD = """\
---
{% if licence %}
license: {{ licence | json }}
{% endif %}
{% if base.name and not base.untrained %}
base_model: {{ base.name | json }}
{% endif %}
{% if hub_sets %}
datasets:
{% for one in hub_sets %}
- {{ one | json }}
{% endfor %}
{% endif %}
library_name: transformers
pipeline_tag: text-generation
tags:
- shakti
- {{ stage }}
---

# {{ name | line }}

{{ stage_name }} of {{ base.name | line }}{{ ", from untrained weights" if base.untrained }}: {{ \
"{:,}".format(parameters) }} parameters, {{ "{:,}".format(steps) }} steps{% if tokens %}, {{ \
"{:,}".format(tokens) }} tokens{% endif %}.

| | |
|---|---|
{% if final_loss is not none %}
| training loss, at the end | {{ "%.4f" | format(final_loss) }} |
{% endif %}
{% if eval_loss is not none %}
| evaluation loss | {{ "%.4f" | format(eval_loss) }} |
{% endif %}
| licence | {{ (licence or "not known: the base model's and the data's terms hold") | line }} |
| made with | shakti-sdk {{ shakti_sdk }} |

## Data

| source | weight | licence |
|---|---|---|
{% for one in data %}
| {{ one.source | line }} | {{ one.weight }} | {{ (one.licence or "unknown") | line }} |
{% endfor %}

## Settings

| setting | value |
|---|---|
{% for key, value in shown %}
| {{ key }} | {{ value | line }} |
{% endfor %}

`training.json` has all of them. To run it on a phone: `shakti-sdk export FOLDER \
{{ export_options | join(" ") }}`.
"""
_NOT_SHOWN = ("model", "output", "data", "eval_data", "memory_limit_gib", "tensorboard")


def model_card(document: Mapping[str, Any]) -> str:
    """The card of what `write.describe` says."""
    base = document["base_model"]
    settings = document["settings"]
    return _environment().from_string(_CARD).render(
        **document,
        base=base,
        licence=base["licence"],
        stage_name=_NAMES.get(document["stage"], document["stage"]),
        hub_sets=[
            name.id for one in document["data"] if (name := hub_name(one["source"])) is not None
        ],
        shown=[
            (key, value)
            for key, value in settings.items()
            if key not in _NOT_SHOWN and value is not None
        ],
    )  # fmt: skip


def _environment() -> Environment:
    made = Environment(
        trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    made.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False)
    made.filters["line"] = _line
    return made


def _line(value: Any) -> str:
    """For a cell of a table: on one line, and without its separators."""
    return " ".join(str(value).split()).replace("|", "\\|")
