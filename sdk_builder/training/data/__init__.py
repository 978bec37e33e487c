"""Data for training: sources of rows, adapted to each stage's records, checked, and mixed.

    source = Shuffled(open_source("corpus/*.jsonl.gz"), seed=1)
    data = Mixture([Part(Records(source, "pretrain"))], seed=1, ending="repeat")
    for example in data.examples(): ...

No torch; `datasets`, `pyarrow` and `datasketch` are imported where a source needs them.
"""

from sdk_builder.rows.hub import Hub, HubName
from sdk_builder.rows.row import Origin, Reason, Row
from sdk_builder.rows.sources import Files, OnBadShard, Shuffled, Source, open_source
from sdk_builder.training.data.duplicates import Duplicates
from sdk_builder.training.data.fields import Fields, parse_fields
from sdk_builder.training.data.mixing import Ending, Mixture, Part
from sdk_builder.training.data.passes import START, Data, Example, Pass, Position, position_after
from sdk_builder.training.data.records import (
    STAGES,
    Conversation,
    Document,
    Message,
    Preference,
    Prompt,
    Record,
    Role,
    Stage,
)
from sdk_builder.training.data.report import DataReport, Dropped
from sdk_builder.training.data.stream import MAX_DROPPED, Records
from sdk_builder.training.data.table1 import MODELS, TABLE1, DataSet, data_sets

__all__ = [
    "MAX_DROPPED",
    "MODELS",
    "STAGES",
    "START",
    "TABLE1",
    "Conversation",
    "Data",
    "DataReport",
    "DataSet",
    "Document",
    "Dropped",
    "Duplicates",
    "Ending",
    "Example",
    "Fields",
    "Files",
    "Hub",
    "HubName",
    "Message",
    "Mixture",
    "OnBadShard",
    "Origin",
    "Part",
    "Pass",
    "Position",
    "Preference",
    "Prompt",
    "Reason",
    "Record",
    "Records",
    "Role",
    "Row",
    "Shuffled",
    "Source",
    "Stage",
    "data_sets",
    "open_source",
    "parse_fields",
    "position_after",
]
