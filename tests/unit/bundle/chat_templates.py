"""Chat templates of the shapes that model families use, written for these tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Family:
    """A template, its special tokens, and what derive_turns should find in it."""

    template: str
    bos_token: str | None = None
    eos_token: str | None = None
    expected: dict[str, Any] = field(default_factory=dict)

    @property
    def tokens(self) -> dict[str, str]:
        """The special tokens that are set, as template variables."""
        named = {"bos_token": self.bos_token, "eos_token": self.eos_token}
        return {name: token for name, token in named.items() if token is not None}


# ChatML; a system message is made up where none comes first.
SMOLLM = Family(
    """\
{% if messages[0]['role'] != 'system' %}
{{ '<|im_start|>system\\nYou are a helpful AI assistant named SmolLM, ' -}}
{{ 'trained by Hugging Face<|im_end|>\\n' }}
{%- endif %}
{% for m in messages %}
{{ '<|im_start|>' ~ m.role ~ '\\n' ~ m.content ~ '<|im_end|>\\n' -}}
{% endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\\n' -}}
{% endif %}
""",
    bos_token="<|im_start|>",
    eos_token="<|im_end|>",
    expected={
        "begin": "",  # though the first token is the one that opens every turn
        "system_place": "turn",
        "system_prefix": "<|im_start|>system\n",
        "default_system": "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
        "user_prefix": "<|im_start|>user\n",
        "user_suffix": "<|im_end|>\n",
        "assistant_prefix": "<|im_start|>assistant\n",
        "assistant_suffix": "<|im_end|>\n",
        "generation_prompt": "<|im_start|>assistant\n",
        "strip_roles": (),
    },
)

# The same, the default written by branches for each role and with control of white space.
QWEN = Family(
    """\
{%- if messages[0].role == 'system' -%}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- else -%}
    {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages -%}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == 'assistant' and not message.tool_calls %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if tools %}{{ raise_exception('no tools here') }}{% endif %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    eos_token="<|im_end|>",
    expected={
        "begin": "",
        "system_place": "turn",
        "system_prefix": "<|im_start|>system\n",
        "system_suffix": "<|im_end|>\n",
        "default_system": "You are a helpful assistant.",
        "strip_roles": (),
    },
)

# Header ids, begin-of-text inside the loop, contents trimmed.
LLAMA3 = Family(
    """\
{% for message in messages -%}
{% set text = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'
    + message['content'] | trim + '<|eot_id|>' -%}
{{ bos_token + text if loop.first else text }}
{%- endfor -%}
{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}
""",
    bos_token="<|begin_of_text|>",
    eos_token="<|eot_id|>",
    expected={
        "begin": "<|begin_of_text|>",
        "system_place": "turn",
        "system_prefix": "<|start_header_id|>system<|end_header_id|>\n\n",
        "system_suffix": "<|eot_id|>",
        "default_system": None,
        "user_prefix": "<|start_header_id|>user<|end_header_id|>\n\n",
        "assistant_suffix": "<|eot_id|>",
        "strip_roles": ("system", "user", "assistant"),
    },
)

# Its successor: a system turn with dates always comes first. Given `date_string`, it is fixed.
LLAMA31 = Family(
    """\
{{- bos_token }}
{%- if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0].content | trim %}{% set messages = messages[1:] %}
{%- else %}{% set system = '' %}{% endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: ' + date_string + '\\n\\n' }}
{{- system + '<|eot_id|>' }}
{%- for m in messages %}
    {{- '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content.strip() }}
    {{- '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    bos_token="<|begin_of_text|>",
    expected={
        "begin": "<|begin_of_text|>",
        "default_system": "",
        "system_prefix": (
            "<|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n"
        ),
    },
)

ZEPHYR = Family(
    """\
{% for m in messages %}
{% if m['role'] in ['user', 'system', 'assistant'] %}
{{ '<|' + m['role'] + '|>\\n' + m['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
""",
    bos_token="<s>",
    eos_token="</s>",
    expected={
        "begin": "",
        "system_place": "turn",
        "system_prefix": "<|system|>\n",
        "system_suffix": "</s>\n",
        "default_system": None,
        "user_prefix": "<|user|>\n",
        "generation_prompt": "<|assistant|>\n",
    },
)

# The answer follows the closed instruction; roles must alternate; system inside the first.
MISTRAL = Family(
    """\
{{ bos_token }}
{%- set ns = namespace(system='') -%}
{%- for m in messages -%}
{%- if m.role == 'system' and loop.first -%}{% set ns.system = m.content + '\\n\\n' -%}
{%- elif m.role == 'user' -%}
{%- if loop.previtem is defined and loop.previtem.role == 'user' -%}
{{ raise_exception('roles must alternate') }}{% endif -%}
{{ '[INST] ' + ns.system + m.content + ' [/INST]' }}{% set ns.system = '' -%}
{%- elif m.role == 'assistant' -%}{{ ' ' + m.content + eos_token }}
{%- else -%}{{ raise_exception('unknown role ' + m.role) }}{% endif -%}
{%- endfor -%}
""",
    bos_token="<s>",
    eos_token="</s>",
    expected={
        "begin": "<s>",
        "system_place": "first_user",
        "system_prefix": "",
        "system_suffix": "\n\n",
        "user_prefix": "[INST] ",
        "user_suffix": " [/INST]",
        "assistant_prefix": " ",
        "assistant_suffix": "</s>",
        "generation_prompt": "",
        "answer_lead": " ",
        "strip_roles": (),
    },
)

# A later one of that family: system goes into the *last* user turn; only answers are trimmed.
MISTRAL_LAST = Family(
    """\
{%- set system = none -%}
{%- if messages[0].role == 'system' %}{% set system = messages[0].content %}
{%- set messages = messages[1:] %}{% endif -%}
{{- bos_token }}
{%- for m in messages %}
    {%- if m.role == 'user' and loop.last and system is not none %}
        {{- '[INST] ' + system + '\\n\\n' + m.content + '[/INST]' }}
    {%- elif m.role == 'user' %}{{ '[INST] ' + m.content + '[/INST]' }}
    {%- else %}{{ ' ' + m.content | trim + eos_token }}{% endif %}
{%- endfor %}
""",
    bos_token="<s>",
    eos_token="</s>",
    expected={"begin": "<s>", "system_place": "none", "strip_roles": ("assistant",)},
)

# System refused; the assistant has another name.
GEMMA = Family(
    """\
{{ bos_token }}{% if messages[0]['role'] == 'system' %}
{{ raise_exception('System role not supported') }}{% endif %}
{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('roles must alternate') }}{% endif %}
{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\\n' -}}
{{ m['content'] | trim + '<end_of_turn>\\n' -}}
{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' -}}{% endif %}
""",
    bos_token="<bos>",
    expected={
        "begin": "<bos>",
        "system_place": "none",
        "generation_prompt": "<start_of_turn>model\n",
        "strip_roles": ("user", "assistant"),
    },
)

# A finished chat ends in a text of its own, so that nothing tells where the user's turn ends
# and the assistant's begins; the system message has a default without marks.
VICUNA = Family(
    """\
{%- if messages[0].role == 'system' %}{{ messages[0].content }}{% set messages = messages[1:] %}
{%- else %}{{ 'A chat between a person and an assistant.' }}{% endif %}
{%- for m in messages %}
{%- if m.role == 'user' %}{{ ' USER: ' + m.content }}
{%- else %}{{ ' ASSISTANT: ' + m.content + eos_token }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ ' ASSISTANT:' }}{% else %}{{ '<|endoftext|>' }}{% endif %}
""",
    eos_token="</s>",
    expected={
        "begin": "",
        "system_prefix": "",
        "system_suffix": "",
        "default_system": "A chat between a person and an assistant.",
        "user_prefix": " USER: ",
        "user_suffix": " ASSISTANT:",
        "generation_prompt": "",
        "answer_lead": " ",
        "assistant_suffix": "</s>",
    },
)

# Marks answers for training, and leaves a loop early.
MARKED = Family(
    """\
{% for m in messages %}{% if m is none %}{% break %}{% endif %}
{{ '<' + m.role + '>' -}}
{% if m.role == 'assistant' %}{% generation %}{{ m.content + '</a>' }}{% endgeneration %}
{%- else %}{{ m.content }}{% endif %}
{%- endfor %}{% if add_generation_prompt %}<assistant>{% endif %}
""",
    expected={"user_prefix": "<user>", "assistant_suffix": "</a>", "system_prefix": "<system>"},
)

FAMILIES = {
    "smollm": SMOLLM,
    "qwen": QWEN,
    "llama3": LLAMA3,
    "zephyr": ZEPHYR,
    "mistral": MISTRAL,
    "mistral_last": MISTRAL_LAST,
    "gemma": GEMMA,
    "vicuna": VICUNA,
    "marked": MARKED,
}

_LOOP = "{% for m in messages %}{{ '<' + m.role + '>' + m.content }}{% endfor %}"
REFUSED = {
    "date": ("{{ strftime_now('%Y') }}" + _LOOP, "today's date"),
    "date of a chat that has one": (LLAMA31.template, "today's date"),
    "numbers its turns": (
        "{% for m in messages %}{{ '[Round ' ~ loop.index ~ ']' + m.content }}{% endfor %}",
        "it writes the first turn unlike later ones",
    ),
    "changes contents": (
        "{% for m in messages %}{{ m.content | upper }}{% endfor %}",
        "it changes, drops, repeats or moves a message",
    ),
    "drops all but the last": (
        "{{ messages[-1].content }}",
        "it changes, drops, repeats or moves a message",
    ),
    "repeats": (
        "{% for m in messages %}{{ m.content + m.content }}{% endfor %}",
        "it changes, drops, repeats or moves a message",
    ),
    "strips one side": (
        "{% for m in messages %}{{ '>' + m.content.lstrip() }}{% endfor %}",
        "they differ on a chat of 1 questions without a system message",
    ),
    "escapes markup": (
        "{% for m in messages %}{{ '>' + m.content | e }}{% endfor %}",
        "they differ",
    ),
    "thinks first": (
        _LOOP + "{% if add_generation_prompt %}<assistant><think>{% endif %}",
        "asks for an answer with '<assistant><think>'",
    ),
    "needs a system message": (
        "{% if messages[0].role != 'system' %}{{ raise_exception('Say who I am.') }}{% endif %}"
        + _LOOP,
        "refuses a chat: Say who I am",
    ),
    "no Jinja": ("{% for %}", "not valid Jinja"),
    "unknown function": ("{{ no_such_function() }}", "refuses a chat: 'no_such_function'"),
    "reaches out of the sandbox": (
        "{{ messages.__class__.__mro__ }}" + _LOOP,
        "refuses a chat",
    ),
    "divides by zero": ("{{ 1 / 0 }}", "refuses a chat: division by zero"),
    "empty": ("", "it changes, drops, repeats or moves a message"),
}
