"""A plan file on a stand-in phone, with the bundle that it names, put there without the SDK."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from sdk_builder.benchmark.protocol import Case, Gate, ProgramCheck, RoundPlan, WarmUp
from tests.phones.lab import Phone
from tests.unit.bundle.samples import PROGRAM, write_bundle

FOLDER = "/data/local/tmp/by-hand"


def put_plan(phone: Phone) -> str:
    """Put a bundle and a plan of three short cases on the phone; the plan's path there."""
    with tempfile.TemporaryDirectory() as scratch:
        bundle = write_bundle(Path(scratch) / "bundle")
        shutil.copytree(bundle, phone.path(f"{FOLDER}/bundle"))
    plan = RoundPlan(
        run_id="0123456789abcdef",
        round=0,
        attempt=0,
        bundle_dir=f"{FOLDER}/bundle",
        program=ProgramCheck(
            file="model.pte",
            size_bytes=len(PROGRAM),
            sha256=hashlib.sha256(PROGRAM).hexdigest(),
            thorough=True,
            exact=True,
            least_share=0.6,
        ),
        warm_up=WarmUp(prefill_tokens=4, decode_tokens=2),
        gate=Gate(),
        cases=(
            Case(kind="load"),
            Case(kind="prefill", tokens=16),
            Case(kind="decode", tokens=8),
        ),
    )
    path = f"{FOLDER}/plan.json"
    phone.path(path).write_text(plan.model_dump_json(), encoding="utf-8")
    return path
