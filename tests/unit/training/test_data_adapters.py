"""Rows of many shapes become the same records, and what does not fit is refused with its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import DataLossError, DataShapeError, UsageError
from sdk_builder.training.data import (
    Conversation,
    Document,
    Fields,
    Message,
    Preference,
    Prompt,
    Reason,
    Record,
    Records,
    Stage,
    parse_fields,
)
from tests.unit.training.data_makers import (
    CONVERSATIONS,
    DOCUMENTS,
    PREFERENCES,
    PROMPTS,
    QUICK,
    TEXTS,
    Listed,
)

USER, ASSISTANT = Message("user", "Why?"), Message("assistant", "So.")
GOOD: dict[Stage, dict[str, Any]] = {
    "pretrain": {"text": "Once."},
    "sft": {"messages": [USER.as_row(), ASSISTANT.as_row()]},
    "dpo": {"prompt": "Why?", "chosen": "So.", "rejected": "No."},
    "rlhf": {"prompt": "Why?"},
}


def read(stage: Stage, *rows: Mapping[str, Any], fields: Fields | None = None) -> list[Record]:
    data = Records(Listed(rows), stage, fields=fields, max_dropped=1)
    return [example.record for example in data.examples()]


def dropped(stage: Stage, row: Mapping[str, Any], fields: Fields | None = None) -> Reason:
    """Why a row is dropped that follows a good one."""
    rows = [GOOD[stage], row]
    report = Records(Listed(rows), stage, fields=fields, max_dropped=1).report()
    (reason,) = report.dropped
    assert report.examples[reason][0].origin.row == 2
    return reason


@QUICK
@given(
    st.one_of(
        st.tuples(st.just("pretrain"), DOCUMENTS),
        st.tuples(st.just("sft"), CONVERSATIONS),
        st.tuples(st.just("dpo"), PREFERENCES),
        st.tuples(st.just("rlhf"), PROMPTS),
    )
)
def test_a_record_written_as_a_row_is_read_as_the_same_record(pair: tuple[Stage, Record]) -> None:
    stage, record = pair
    assert read(stage, record.as_row()) == [record]


@QUICK
@given(CONVERSATIONS)
def test_sharegpt_says_the_same_in_other_words(conversation: Conversation) -> None:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    said = [{"from": names[one.role], "value": one.content} for one in conversation.messages]
    assert read("sft", {"id": "7", "conversations": said}) == [conversation]


@QUICK
@given(TEXTS, TEXTS, TEXTS, st.sampled_from(("", None, " \n")))
def test_pairs_are_conversations_of_two_turns(
    question: str, more: str, answer: str, nothing: str | None
) -> None:
    short = Conversation((Message("user", question), Message("assistant", answer)))
    long = Conversation((Message("user", f"{question}\n\n{more}"), Message("assistant", answer)))
    for row in (
        {"prompt": question, "response": answer},
        {"prompt": question, "completion": answer, "source": "x"},
        {"question": question, "answer": answer},
        {"instruction": question, "output": answer},
        {"instruction": question, "input": nothing, "output": answer},
        {"instruction": question, "context": nothing, "response": answer},
    ):
        assert read("sft", row) == [short]
    assert read("sft", {"instruction": question, "input": more, "output": answer}) == [long]
    assert read("sft", {"instruction": question, "context": more, "response": answer}) == [long]


@QUICK
@given(PREFERENCES)
def test_preferences_may_repeat_their_prompt_in_both_answers(one: Preference) -> None:
    """UltraFeedback's shape, and the one of whole conversations without a prompt."""
    prompt = [turn.as_row() for turn in one.prompt]
    row = {
        "chosen": [*prompt, {"role": "assistant", "content": one.chosen}],
        "rejected": [*prompt, {"role": "assistant", "content": one.rejected}],
    }
    assert read("dpo", row) == [one]
    assert read("dpo", {**row, "prompt": one.prompt[-1].content, "score_chosen": 8.0}) == [one]


def test_answers_may_be_texts() -> None:
    row = {"system": "Be kind.", "question": "Why?", "chosen": "So.", "rejected": "No."}
    assert read("dpo", row) == [Preference((Message("system", "Be kind."), USER), "So.", "No.")]


def test_what_rlhf_does_not_use_goes_to_the_reward_functions() -> None:
    row = {"prompt": "Why?", "answer": "42", "level": 3}
    assert read("rlhf", row) == [Prompt((USER,), {"answer": "42", "level": 3})]
    only = parse_fields("rlhf", {"prompt": "prompt", "extra": "answer"})
    assert read("rlhf", row, fields=only) == [Prompt((USER,), {"answer": "42"})]


def test_a_prompt_is_a_conversation_without_its_last_answer() -> None:
    row = {"conversations": [USER.as_row(), ASSISTANT.as_row()]}
    assert read("rlhf", row) == [Prompt((USER,))]


def test_a_system_text_goes_first_unless_the_turns_have_one() -> None:
    said = [{"role": "system", "content": "Be brief."}, USER.as_row(), ASSISTANT.as_row()]
    brief, kind = Message("system", "Be brief."), Message("system", "Be kind.")
    assert read("sft", {"system": "Be kind.", "messages": said}) == [
        Conversation((brief, USER, ASSISTANT))
    ]
    assert read("sft", {"system": "Be kind.", "messages": said[1:]}) == [
        Conversation((kind, USER, ASSISTANT))
    ]
    silent = [{"role": "system", "content": " "}, *said[1:]]
    assert read("sft", {"messages": silent}) == [Conversation((USER, ASSISTANT))]


@pytest.mark.parametrize(
    ("stage", "row", "reason"),
    [
        ("pretrain", {"text": " \n"}, Reason.EMPTY_TEXT),
        ("pretrain", {"text": None}, Reason.MISSING_FIELD),
        ("pretrain", {"content": "Once."}, Reason.MISSING_FIELD),
        ("pretrain", {"text": 3}, Reason.WRONG_TYPE),
        ("pretrain", {"text": "half a pair: \ud83d"}, Reason.NOT_UTF8),
        ("sft", {"messages": []}, Reason.EMPTY_TEXT),
        ("sft", {"messages": "Why? So."}, Reason.WRONG_TYPE),
        ("sft", {"messages": ["Why?", "So."]}, Reason.WRONG_TYPE),
        ("sft", {"messages": [{"role": "user"}, ASSISTANT.as_row()]}, Reason.MISSING_FIELD),
        ("sft", {"messages": [USER.as_row()]}, Reason.ENDS_WITH_USER),
        ("sft", {"messages": [ASSISTANT.as_row(), USER.as_row()]}, Reason.ROLE_ORDER),
        ("sft", {"messages": [USER.as_row(), USER.as_row()]}, Reason.ROLE_ORDER),
        (
            "sft",
            {"messages": [USER.as_row(), {"role": "tool", "content": "3"}]},
            Reason.UNKNOWN_ROLE,
        ),
        (
            "sft",
            {"messages": [USER.as_row(), {"role": "assistant", "content": ""}]},
            Reason.EMPTY_TEXT,
        ),
        (
            "sft",
            {"messages": [USER.as_row(), {"role": "assistant", "content": ["So."]}]},
            Reason.WRONG_TYPE,
        ),
        ("dpo", {"prompt": "Why?", "chosen": "So.", "rejected": "So."}, Reason.SAME_ANSWERS),
        ("dpo", {"prompt": "Why?", "chosen": "So.", "rejected": ""}, Reason.EMPTY_TEXT),
        ("dpo", {"prompt": "Why?", "chosen": "So."}, Reason.MISSING_FIELD),
        (
            "dpo",
            {
                "prompt": "How?",
                "chosen": [USER.as_row(), ASSISTANT.as_row()],
                "rejected": [USER.as_row(), {"role": "assistant", "content": "No."}],
            },
            Reason.OTHER_PROMPTS,
        ),
        (
            "dpo",
            {
                "prompt": "Why?",
                "chosen": [USER.as_row(), ASSISTANT.as_row()],
                "rejected": [{"role": "assistant", "content": "No."}],
            },
            Reason.OTHER_PROMPTS,
        ),
        (
            "dpo",
            {"prompt": "Why?", "chosen": [USER.as_row()], "rejected": "No."},
            Reason.ROLE_ORDER,
        ),
        ("rlhf", {"prompt": [USER.as_row(), ASSISTANT.as_row()]}, Reason.ROLE_ORDER),
        ("rlhf", {"prompt": "\t"}, Reason.EMPTY_TEXT),
    ],
)
def test_a_row_that_does_not_fit_is_dropped_with_its_reason(
    stage: Stage, row: dict[str, Any], reason: Reason
) -> None:
    assert dropped(stage, row) == reason


@pytest.mark.parametrize(
    ("stage", "row", "said"),
    [
        ("pretrain", {"body": "Once.", "id": 1}, "fields body, id is nothing for pretrain"),
        ("sft", {"text": "Once."}, "fields text is nothing for sft"),
        ("sft", {}, "fields (none) is nothing for sft"),
        ("dpo", {"prompt": "Why?", "response": "So."}, "nothing for dpo"),
        (
            "sft",
            {"question": "q", "answer": "a", "instruction": "i", "output": "o"},
            "can be read as instruction+output or answer+question",
        ),
        (
            "sft",
            {"prompt": "p", "response": "r", "completion": "c"},
            "can be read as prompt+response or completion+prompt",
        ),
    ],
)
def test_a_shape_that_is_unknown_or_ambiguous_is_an_error_with_its_place(
    stage: Stage, row: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataShapeError) as caught:
        read(stage, row)
    assert caught.value.message.startswith("listed:1: ")
    assert said in caught.value.message
    assert "Name the fields" in caught.value.hint


def test_fields_of_our_own_names_win_over_others() -> None:
    assert read("pretrain", {"text": "Once.", "content": "x"}) == [Document("Once.")]
    both = {**GOOD["sft"], "prompt": "x", "response": "y"}
    assert read("sft", both) == [Conversation((USER, ASSISTANT))]


def test_named_fields_need_no_known_shape() -> None:
    fields = parse_fields("sft", {"prompt": ["title", "selftext"], "response": "body"})
    row = {"title": "Why?", "selftext": "I ask.", "body": "So.", "messages": []}
    assert read("sft", row, fields=fields) == [
        Conversation((Message("user", "Why?\n\nI ask."), ASSISTANT))
    ]


def test_a_name_that_no_row_has_is_told_with_those_there_are() -> None:
    with pytest.raises(DataLossError, match=r"missing field \(listed:1: no boddy; there are body"):
        read("pretrain", {"body": "Once."}, fields=Fields(text="boddy"))


@pytest.mark.parametrize(
    ("stage", "given"),
    [
        ("sft", {}),
        ("sft", {"prompt": "p"}),
        ("sft", {"messages": "m", "prompt": "p", "response": "r"}),
        ("sft", {"messages": "m", "text": "t"}),
        ("sft", {"messages": ["m", "n"]}),
        ("sft", {"messages": 3}),
        ("sft", {"mesages": "m"}),
        ("sft", {"prompt": [], "response": "r"}),
        ("pretrain", {"text": "t", "system": "s"}),
        ("dpo", {"prompt": "p", "chosen": "c"}),
        ("rlhf", {"prompt": "p", "messages": "m"}),
    ],
)
def test_fields_that_are_not_what_the_stage_needs_are_refused(
    stage: Stage, given: dict[str, Any]
) -> None:
    with pytest.raises(UsageError) as caught:
        parse_fields(stage, given)
    assert "\n" not in caught.value.message
