"""The whole way from a checkpoint to a bundle that computes its model, on a tiny Llama."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

import sdk_builder
from sdk_builder import Bundle, Session
from sdk_builder.bundle.manifest_file import identity
from sdk_builder.errors import (
    BundleError,
    CheckpointError,
    ExportError,
    InputError,
    PromptTooLongError,
    TargetExistsError,
    TokenizerError,
    UnknownModelError,
    UsageError,
)
from sdk_builder.lowering.lower import LoweredProgram
from sdk_builder.models import open_checkpoint
from sdk_builder.pipeline import ExportRequest
from sdk_builder.pipeline.stages import check_request, check_size
from sdk_builder.quantization.schemes import SCHEMES
from sdk_builder.runtime import GenerationOptions
from sdk_builder.verify import verify_bundle
from tests.integration.models.builders import VOCABULARY
from tests.integration.pipeline.conftest import BundleOf
from tests.integration.pipeline.tiny import (
    A_MATRIX,
    A_NORM,
    CONTEXT,
    Damage,
    cut_weights,
    damaged_copy,
    enlarge_tokenizer,
    flip_byte,
    put_nan,
    put_wrong_shape,
    truncate,
)

GREEDY = GenerationOptions(temperature=0.0, max_tokens=20)
FILES = {"manifest.json", "model.pte", "tokenizer.json"}


def below(folder: Path) -> set[str]:
    """Everything below a folder, hidden names too."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def copy(bundle_of: BundleOf, tmp_path: Path) -> Path:
    """A bundle to damage."""
    return shutil.copytree(bundle_of("q4"), tmp_path / "copy")


# --- the bundle computes its model --------------------------------------------------------


@pytest.mark.parametrize("quant", list(SCHEMES))
def test_bundle_verifies_against_its_model(quant: str, folder: Path, bundle_of: BundleOf):
    bundle = Bundle.open(bundle_of(quant))
    report = verify_bundle(bundle, against=str(folder))
    assert report.ok, report
    assert {result.status for result in report.results} == {"pass"}
    assert below(bundle.path) == FILES
    manifest = bundle.manifest
    assert manifest.quantization.scheme == quant
    assert manifest.program.context_length == CONTEXT
    assert manifest.program.size_bytes == bundle.program_path.stat().st_size
    assert sum(part.size_bytes for part in manifest.program.parts) == manifest.program.size_bytes
    assert manifest.quantization.bits_per_weight <= SCHEMES[quant].max_bits_per_weight
    assert not manifest.model.untrained
    assert len(manifest.golden) == 5


def test_better_schemes_are_larger_and_nearer_to_the_model(bundle_of: BundleOf):
    manifests = [Bundle.open(bundle_of(quant)).manifest for quant in ("q4", "q5", "q8", "none")]
    sizes = [manifest.program.size_bytes for manifest in manifests]
    distances = [manifest.quality.kl for manifest in manifests if manifest.quality]
    assert sizes == sorted(sizes)
    assert distances[0] is not None
    assert distances[-1] is not None
    assert distances[-1] < 1e-6 < distances[0]


@torch.no_grad()
def transformers_greedy(model: LlamaForCausalLM, prompt: list[int], count: int) -> list[int]:
    """What transformers' own loop gives after `prompt`, without the end token."""
    ids = torch.tensor([prompt])
    found = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=count,
        eos_token_id=[2, 0],
        pad_token_id=0,
    )[0, len(prompt) :].tolist()
    return found[:-1] if found and found[-1] in (0, 2) else found


@pytest.mark.parametrize("length", [1, 2, 17, 43])
def test_fp32_bundle_gives_the_greedy_tokens_of_transformers(
    length: int, folder: Path, bundle_of: BundleOf
):
    model = LlamaForCausalLM.from_pretrained(folder).eval()
    generator = torch.Generator().manual_seed(length)
    prompt = torch.randint(3, VOCABULARY, (length,), generator=generator).tolist()
    with Session(bundle_of("none")) as session:
        found = list(session.tokens(prompt, GREEDY))
    assert found == transformers_greedy(model, prompt, 20)
    assert len(found) > 2


def test_prompt_in_chunks_gives_the_tokens_of_a_prompt_at_once(folder: Path, tmp_path: Path):
    prompt = list(range(3, 43))
    answers = []
    for chunk in (7, 64):
        target = tmp_path / str(chunk)
        request = ExportRequest(
            str(folder), target, quant="none", context_length=CONTEXT, chunk=chunk, verify=False
        )
        bundle = sdk_builder.pipeline.run_export(request).bundle
        assert bundle.manifest.program.max_chunk == chunk
        with Session(bundle) as session:
            answers.append(list(session.tokens(prompt, GREEDY)))
    assert answers[0] == answers[1] != []


def test_chat_of_the_folder_s_template_is_spoken(bundle_of: BundleOf):
    with Session(bundle_of("q8")) as session:
        chat = session.chat()
        first = "".join(chat.send("Hi", GenerationOptions(temperature=0.0, max_tokens=4)))
        assert chat.stats.reused_tokens == 0
        "".join(chat.send("x", GenerationOptions(temperature=0.0, max_tokens=4)))
        assert chat.stats.reused_tokens > 10
    assert isinstance(first, str)


# --- the same again ----------------------------------------------------------------------


def stable(folder: Path) -> dict[str, object]:
    """The manifest without what says when and where it was made."""
    fields = json.loads((folder / "manifest.json").read_bytes())
    del fields["provenance"], fields["checksum"]
    return fields


def test_two_exports_differ_in_nothing_but_provenance(
    folder: Path, bundle_of: BundleOf, tmp_path: Path
):
    again = sdk_builder.export(
        str(folder), tmp_path / "elsewhere", quant="q4", context_length=CONTEXT
    )
    first = bundle_of("q4")
    for name in ("model.pte", "tokenizer.json"):
        assert (again.path / name).read_bytes() == (first / name).read_bytes()
    assert stable(again.path) == stable(first)
    assert identity(again.manifest) == identity(Bundle.open(first).manifest)


# --- damage after the export ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.pte", "tokenizer.json"])
@pytest.mark.parametrize("damage", [flip_byte, truncate])
def test_changed_file_fails_verification_and_is_not_run(name: str, damage: Damage, copy: Path):
    damage(copy / name)
    report = verify_bundle(Bundle.open(copy))
    failed = [result for result in report.results if result.status == "fail"]
    assert not report.ok
    assert failed
    assert all(name in result.detail for result in failed)
    with pytest.raises(BundleError, match=name):
        Session(copy)


def test_changed_manifest_fails_verification_and_is_not_run(copy: Path):
    path = copy / "manifest.json"
    text = path.read_bytes()
    at = text.index(b'"temperature": ') + len(b'"temperature": ')
    flip_byte(path, at)
    report = verify_bundle(Bundle.open(copy))
    failed = [result for result in report.results if result.status == "fail"]
    assert [result.name for result in failed] == ["manifest checksum"]
    assert "manifest.json" in failed[0].detail
    with pytest.raises(BundleError, match=r"manifest\.json"):
        Session(copy)


@pytest.mark.parametrize("at", [0, 4, -100, -1])
def test_byte_at_either_end_of_the_program_is_noticed(at: int, copy: Path):
    flip_byte(copy / "model.pte", at)
    assert not verify_bundle(Bundle.open(copy)).ok
    with pytest.raises(BundleError):
        Session(copy)


def test_wrong_model_to_verify_against_is_an_input_error(bundle_of: BundleOf):
    with pytest.raises(InputError, match="not what the bundle was exported from"):
        verify_bundle(Bundle.open(bundle_of("q8")), against="shakti-100m")


# --- targets that are there already --------------------------------------------------------


def test_existing_target_is_refused_and_replaced_with_force(
    folder: Path, bundle_of: BundleOf, tmp_path: Path
):
    target = shutil.copytree(bundle_of("q8"), tmp_path / "bundle")
    before = (target / "manifest.json").read_bytes()
    with pytest.raises(TargetExistsError) as caught:
        sdk_builder.export(str(folder), target, quant="q4", context_length=CONTEXT)
    assert "--force" in caught.value.hint
    assert (target / "manifest.json").read_bytes() == before
    made = sdk_builder.export(
        str(folder), target, quant="q4", context_length=CONTEXT, force=True, verify=False
    )
    assert made.manifest.quantization.scheme == "q4"
    assert below(tmp_path) == {"bundle", *(f"bundle/{name}" for name in FILES)}


def test_folder_that_is_no_bundle_is_not_replaced_even_with_force(folder: Path, tmp_path: Path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").touch()
    with pytest.raises(TargetExistsError):
        sdk_builder.export(str(folder), tmp_path / "thesis", context_length=CONTEXT, force=True)
    assert below(tmp_path) == {"thesis", "thesis/chapter1.txt"}


def test_failed_export_with_force_leaves_the_old_bundle(
    folder: Path, bundle_of: BundleOf, tmp_path: Path
):
    target = shutil.copytree(bundle_of("q8"), tmp_path / "out" / "bundle")
    broken = damaged_copy(folder, tmp_path / "broken", put_nan)
    with pytest.raises(CheckpointError):
        sdk_builder.export(str(broken), target, context_length=CONTEXT, force=True)
    assert verify_bundle(Bundle.open(target)).ok
    assert below(target.parent) == {"bundle", *(f"bundle/{name}" for name in FILES)}


# --- input that cannot be exported ---------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "error", "named"),
    [
        (put_nan, CheckpointError, A_NORM),
        (put_wrong_shape, CheckpointError, A_MATRIX),
        (cut_weights, CheckpointError, "model.safetensors"),
        (enlarge_tokenizer, TokenizerError, str(VOCABULARY)),
    ],
    ids=["NaN", "wrong shape", "cut off", "tokenizer too large"],
)
def test_damaged_checkpoint_is_one_line_and_leaves_nothing(
    damage: Damage, error: type[InputError], named: str, folder: Path, tmp_path: Path
):
    broken = damaged_copy(folder, tmp_path / "broken", damage)
    out = tmp_path / "out"
    with pytest.raises(error) as caught:
        sdk_builder.export(str(broken), out / "bundle", context_length=CONTEXT)
    assert named in caught.value.message
    assert "\n" not in caught.value.message
    assert not out.exists()


def test_mistyped_preset_names_the_nearest(tmp_path: Path):
    with pytest.raises(UnknownModelError) as caught:
        sdk_builder.export("shakti-100", tmp_path / "bundle")
    assert caught.value.nearest == "shakti-100m"
    assert below(tmp_path) == set()


@pytest.mark.parametrize(
    "change",
    [{"device": "toaster"}, {"quant": "q3"}, {"context_length": 8}, {"chunk": -1}],
    ids=str,
)
def test_request_that_means_nothing_is_a_usage_error(change: dict[str, object], tmp_path: Path):
    with pytest.raises(UsageError):
        check_request(ExportRequest("tiny", tmp_path, **change))  # type: ignore[arg-type]


def test_prompt_that_fills_the_context_is_refused(bundle_of: BundleOf):
    with Session(bundle_of("q8")) as session:
        with pytest.raises(PromptTooLongError, match=f"the context is {CONTEXT}"):
            session.tokens([5] * CONTEXT, GREEDY)
        with pytest.raises(PromptTooLongError):
            session.score([5] * (CONTEXT + 1))
        assert list(session.tokens([5] * (CONTEXT - 1), GREEDY))
        assert session.stats.finish_reason in ("context", "eos")


@pytest.mark.parametrize("quant", list(SCHEMES))
def test_program_larger_than_its_scheme_promises_is_an_export_error(quant: str, folder: Path):
    checkpoint, scheme = open_checkpoint(str(folder)), SCHEMES[quant]

    def program(size_bytes: int) -> LoweredProgram:
        return LoweredProgram(size_bytes, parts=(), operators=(), methods=(), delegates=1)

    check_size(program(400_000), scheme, checkpoint)
    with pytest.raises(ExportError, match=f"100000000 bytes, {quant} promises"):
        check_size(program(100_000_000), scheme, checkpoint)


@pytest.mark.parametrize("context", [16, 40])
def test_context_shorter_than_the_golden_prompts_is_exported_and_verified(
    context: int, folder: Path, tmp_path: Path
):
    bundle = sdk_builder.export(str(folder), tmp_path / "b", quant="q8", context_length=context)
    assert verify_bundle(bundle, against=str(folder)).ok
    assert all(prompt.prompt_ids for prompt in bundle.manifest.golden)
