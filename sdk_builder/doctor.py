"""Can this machine do the main job? Every finding comes with its fix.

The parts that may crash or take seconds (torch, the ExecuTorch runtime) are tried in a
Python of their own, so that even an illegal instruction becomes a finding.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from sdk_builder.errors import ShaktiError, ToolchainError
from sdk_builder.findings import Finding
from sdk_builder.process import run

OLDEST_PYTHON = (3, 10)
NEWEST_PYTHON = (3, 13)
DISK_FREE_GB = 2.0  # an export writes the program, and a temporary copy of it
MEMORY_GB = 3.0  # for a model of some 100 M parameters
PROBE_TIMEOUT_S = 180.0

REINSTALL = "python3.11 bootstrap.py setup"

# The versions that the export path was measured with: pyproject.toml has the same.
PINS = {"executorch": "1.5.1", "torch": "2.13", "torchao": "0.18", "transformers": "5.23"}
PINS_PYTHON_3_10 = {**PINS, "transformers": "5.20"}
PACKAGES = (
    "adbutils",
    "click",
    "gguf",
    "jinja2",
    "matplotlib",
    "maven-artifact",
    "numpy",
    "psutil",
    "pydantic",
    "pyyaml",
    "rich",
    "safetensors",
    "tokenizers",
)
PACKAGES_PYTHON_3_10 = (*PACKAGES, "tomli")

TORCH_PROBE = "import torch; print(torch.__version__, torch.get_num_threads(), 'threads')"
RUNTIME_PROBE = """
from executorch.runtime import Runtime
from executorch.extension.llm.custom_ops import custom_ops
names = set(Runtime.get().operator_registry.operator_names)
missing = {"llama::custom_sdpa.out", "llama::update_cache.out"} - names
if missing:
    raise SystemExit("missing operators: " + ", ".join(sorted(missing)))
print(len(names), "operators")
"""


def examine(*, network: bool = False, folder: Path | None = None) -> list[Finding]:
    """Look at everything; `folder` (default: the current one) is where bundles will go."""
    findings = [python_finding(sys.version_info[:2])]
    findings += [package_finding(name, pin) for name, pin in pins().items()]
    findings += [package_finding(name) for name in packages()]
    findings.append(probe("torch loads", TORCH_PROBE))
    findings.append(probe("ExecuTorch runtime loads", RUNTIME_PROBE))
    where = folder or Path.cwd()
    findings.append(disk_finding(where, shutil.disk_usage(where).free))
    findings.append(memory_finding(available_memory()))
    if network:
        findings.append(network_finding())
    return findings


def pins() -> dict[str, str]:
    """The pinned packages of this Python."""
    return PINS if sys.version_info >= (3, 11) else PINS_PYTHON_3_10


def packages() -> tuple[str, ...]:
    """The other packages that this Python needs."""
    return PACKAGES if sys.version_info >= (3, 11) else PACKAGES_PYTHON_3_10


def python_finding(version: Sequence[int]) -> Finding:
    """Whether this Python is one that we support."""
    detail = f"{'.'.join(map(str, version))} on {platform.system()} {platform.machine()}"
    if OLDEST_PYTHON <= tuple(version) <= NEWEST_PYTHON:
        return Finding("Python", "ok", detail)
    return Finding("Python", "missing", detail, "Use Python 3.10 to 3.13, best 3.11.")


def package_finding(
    name: str, pin: str = "", version_of: Callable[[str], str] = importlib.metadata.version
) -> Finding:
    """Whether a package is installed and, if it is pinned, in the version we measured."""
    try:
        version = version_of(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", "not installed", REINSTALL)
    if pin and not f"{version}.".startswith(f"{pin}."):
        detail = f"{version}, but shakti-sdk was made for {pin}"
        return Finding(name, "warning", detail, REINSTALL)
    return Finding(name, "ok", version)


def probe(name: str, code: str) -> Finding:
    """Whether a piece of Python runs; its last line of output is the detail."""
    try:
        done = run(
            [sys.executable, "-c", code],
            timeout_s=PROBE_TIMEOUT_S,
            what=f"checking that {name}",
            error=ToolchainError,
        )
    except ShaktiError as error:
        said = error.hint.strip().splitlines()
        return Finding(name, "missing", said[-1] if said else error.message, REINSTALL)
    return Finding(name, "ok", done.stdout.strip().splitlines()[-1])


def disk_finding(folder: Path, free_bytes: int) -> Finding:
    """Whether a bundle fits on the disk."""
    detail = f"{free_bytes / 10**9:.1f} GB free at {folder}"
    if free_bytes >= DISK_FREE_GB * 10**9:
        return Finding("disk", "ok", detail)
    return Finding("disk", "warning", detail, f"Free {DISK_FREE_GB:g} GB, or choose another -o.")


def memory_finding(available_bytes: int | None) -> Finding:
    """Whether a small model can be exported in the memory that is free."""
    if available_bytes is None:
        return Finding("memory", "warning", "not known: psutil is missing", REINSTALL)
    detail = f"{available_bytes / 10**9:.1f} GB available"
    if available_bytes >= MEMORY_GB * 10**9:
        return Finding("memory", "ok", detail)
    fix = f"Close other programs: an export of 100 M parameters wants {MEMORY_GB:g} GB."
    return Finding("memory", "warning", detail, fix)


def available_memory() -> int | None:
    """Memory that programs may still take, in bytes; None without psutil."""
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.virtual_memory().available)


def network_finding() -> Finding:
    """Whether pip reaches the package index, which the named sources come from."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir"]
        try:
            run([*command, "-d", folder, "six"], timeout_s=60, what="asking the package index")
        except ShaktiError as error:
            said = error.hint.strip().splitlines()
            fix = "Check the connection and pip's proxy settings; local checkpoints need neither."
            return Finding("package index", "warning", said[-1] if said else error.message, fix)
    return Finding("package index", "ok", "answers")
