"""What the JUnit tests are given from outside, as Java system properties.

Only what a selected class asks for in its source is made: a bundle takes a minute the first time.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import sdk_builder
from sdk_builder.app.keep import made_folder
from sdk_builder.app.toolchain import app_cache
from sdk_builder.log import Steps
from sdk_builder.process import run

ROOT = Path(__file__).parents[2]
BUNDLES_VARIABLE = (
    "SHAKTI_TEST_BUNDLES"  # with smollm2-q4, -int8-kv, -none, -chat-window, -window, -sparse
)
_EXPORT_TIMEOUT_S = 900.0
# Rounded in seconds, with offsets, which are operators of their own.
_OFFSETS = ("--method", "rounding", "--bits", "4.6")
# Golden prompts go well beyond what these patterns look at.
_BLOCKS = "block-sparse:8,2,2+sinks:8"
_CHAT_WINDOW = ("--attention", "window:320")
_PATTERN = ("--quant", "none", "--chunk", "8", "--attention")
_EXPORTERS = ("models", "quantization", "lowering", "bundle", "pipeline", "verify", "runtime")


def properties_for(sources: Iterable[str], steps: Steps) -> dict[str, str]:
    """The properties that any of these source texts names. Raises ShaktiError."""
    text = "\n".join(sources)
    return {name: str(make(steps)) for name, make in PROPERTIES.items() if f'"{name}' in text}


def _bundle(name: str, *options: str) -> Callable[[Steps], Path]:
    """SmolLM2 exported with `options`."""

    def make(steps: Steps) -> Path:
        given = os.environ.get(BUNDLES_VARIABLE)
        if given:
            return Path(given).expanduser() / f"smollm2-{name}"
        return made_folder(
            app_cache() / "tests" / f"bundle-{name}-{_exporters_key(options)}",
            lambda target: _export(name, options, target, steps),
        )

    return make


def _export(name: str, options: Sequence[str], target: Path, steps: Steps) -> None:
    """SmolLM2 as a bundle, by the real command."""
    bundle = target / "bundle"
    with steps.step(f"SmolLM2 exported for the app's tests: {name}"):
        run(
            [
                *(sys.executable, "-m", "sdk_builder", "export", "smollm2-135m"),
                *(*options, "-o", str(bundle)),
            ],
            cwd=ROOT,
            timeout_s=_EXPORT_TIMEOUT_S,
            what="exporting SmolLM2 for the app's tests",
        )
    for file in bundle.iterdir():
        file.rename(target / file.name)
    bundle.rmdir()


def _exporters_key(options: Sequence[str]) -> str:
    rooms = [ROOT / "sdk_builder" / room for room in _EXPORTERS]
    own = [ROOT / "sdk_builder" / "attention.py"]
    sources = [*own, *(path for room in rooms for path in sorted(room.rglob("*.py")))]
    return _key(sources, " ".join(options))


def _key(sources: Iterable[Path], text: str = "") -> str:
    digest = hashlib.sha256(f"{sdk_builder.__version__} {text}".encode())
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _bundle_cases(steps: Steps) -> Path:
    from tests.app.bundle_cases import write_cases

    samples = ROOT / "tests" / "unit" / "bundle" / "samples.py"
    sources = [samples, *sorted((ROOT / "sdk_builder" / "bundle").glob("*.py"))]
    key = _key([Path(__file__).with_name("bundle_cases.py"), *sources])
    with steps.step("Manifests and zips for the app's reader"):
        return made_folder(app_cache() / "tests" / f"bundle-cases-{key}", write_cases)


def _tokenizers(steps: Steps) -> Path:
    from tests.app.tokenizer_cases import make_cases

    tokenizer = PROPERTIES["shakti.bundle.q4"](steps) / "tokenizer.json"
    key = _key([*sorted(Path(__file__).parent.glob("tokenizer_*.py")), tokenizer])

    def make(target: Path) -> None:
        with steps.step("Cases for the app's tokenizer"):
            make_cases(target, smollm2=tokenizer)

    return made_folder(app_cache() / "tests" / f"tokenizers-{key}", make)


def _folder(path: Path) -> Callable[[Steps], Path]:
    return lambda steps: path


def _screenshots(steps: Steps) -> Path:
    folder = ROOT / "build" / "app-screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


PROPERTIES: Mapping[str, Callable[[Steps], Path]] = {
    "shakti.bundle.q4": _bundle("q4", *_OFFSETS),
    "shakti.bundle.int8_kv": _bundle("int8-kv", *_OFFSETS, "--kv", "int8"),
    "shakti.bundle.none": _bundle("none", "--quant", "none"),
    "shakti.bundle.chat_window": _bundle("chat-window", *_OFFSETS, *_CHAT_WINDOW),
    "shakti.bundle.window": _bundle("window", *_PATTERN, "window:24+sinks:4"),
    "shakti.bundle.sparse": _bundle("sparse", *_PATTERN, _BLOCKS, "--context", "64"),
    "shakti.bundle_cases": _bundle_cases,
    "shakti.fixtures": _folder(ROOT / "tests" / "fixtures"),
    "shakti.golden": _folder(ROOT / "docs" / "app"),
    "shakti.screenshots": _screenshots,
    "shakti.tokenizers": _tokenizers,
}
