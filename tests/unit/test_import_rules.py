"""The design's import rules, read from the source of every module.

A room is a folder or module directly in sdk_builder. Data flows one way through the rooms,
heavy libraries stay where they are needed, and what a phone lab's machine runs needs no torch.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "sdk_builder"
HEAVY = {"torch", "transformers", "executorch", "torchao"}

# Which rooms a room may import, at any place and even if only for types.
BASE = {"errors", "interrupts", "locks", "log", "process", "cache", "attention", "user_code"}
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "locks": set(),
    "log": set(),
    "interrupts": {"errors"},
    "cache": set(),
    "user_code": set(),
    "process": {"errors"},
    "attention": {"errors"},
    "findings": set(),
    "rows": {"errors"},
    "bundle": BASE,
    "models": BASE,
    "quantization": BASE | {"models"},
    "lowering": BASE | {"models", "quantization"},
    "runtime": BASE | {"bundle"},
    "verify": BASE | {"bundle", "models", "quantization", "lowering", "runtime"},
    "evaluation": BASE | {"bundle", "models", "rows", "runtime"},
    "profiling": BASE | {"bundle", "runtime"},
    "training": BASE | {"bundle", "models", "quantization", "evaluation", "rows"},
    "device": BASE | {"bundle", "findings"},
    "benchmark": BASE | {"bundle", "device", "runtime"},
    "report": BASE | {"benchmark", "bundle", "device", "evaluation"},
    "app": BASE | {"bundle", "device", "findings"},
    "catalogue": BASE | {"models", "quantization"},
    "doctor": BASE | {"findings"},
    "pipeline": BASE | {"bundle", "models", "quantization", "lowering", "runtime", "verify"},
}
ROOMS["tuning"] = BASE | {"bundle", "models", "quantization", "runtime", "verify"}
ROOMS["tuning"] |= {"evaluation", "pipeline", "report"}
ROOMS["cli"] = set(ROOMS)
ROOMS["__init__"] = set(ROOMS)  # names in sdk_builder itself, loaded when first used
ROOMS["__main__"] = {"cli"}

# Importing any module of these loads nothing heavy, by whatever way round.
LIGHT_ROOMS = {
    *("errors", "interrupts", "locks", "log", "cache", "process", "attention", "findings"),
    *("cli", "__init__", "__main__"),
    *("bundle", "device", "benchmark", "report", "app"),
}
EXECUTORCH_ROOMS = {"lowering", "runtime"}


@dataclass(frozen=True)
class Import:
    """One imported name, and whether importing the module already imports it."""

    module: str  # that has the import
    target: str  # full dotted name; may be of something within a module
    at_once: bool
    line: int

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


class Source:
    """All modules of a package and their imports."""

    def __init__(self, root: Path) -> None:
        self.modules = dict(_modules(root))
        self.imports = [found for name, path in _modules(root) for found in _imports(name, path)]

    def at_once(self, module: str) -> set[str]:
        """Every dotted name, of ours or not, that importing `module` imports."""
        reached: set[str] = set()
        waiting = [module]
        while waiting:
            name = waiting.pop()
            if name in reached:
                continue
            reached.add(name)
            parents = name.split(".")[:-1]
            waiting += [".".join(parents[: i + 1]) for i in range(len(parents))]
            if name in self.modules:
                waiting += [i.target for i in self.imports if i.module == name and i.at_once]
        return reached


def room(module: str) -> str:
    """The room of a module: sdk_builder.bundle.chat is in "bundle"."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def _modules(root: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def _imports(module: str, path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    late = {id(child) for node in ast.walk(tree) if _is_late(node) for child in ast.walk(node)}
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *base.split(".")] if base else above)
            targets = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:
            yield Import(module, target, id(node) not in late, node.lineno)


def _is_late(node: ast.AST) -> bool:
    """Whether what is inside does not run when the module is imported."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return True
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


# --- the rules --------------------------------------------------------------------------


def rooms_without_rule(source: Source) -> list[str]:
    return sorted({room(module) for module in source.modules} - set(ROOMS))


def heavy_in_light_rooms(source: Source) -> list[str]:
    return [
        f"{module} loads {name}"
        for module in source.modules
        if room(module) in LIGHT_ROOMS
        for name in sorted(HEAVY & {target.split(".")[0] for target in source.at_once(module)})
    ]


def executorch_elsewhere(source: Source) -> list[str]:
    return [
        str(found)
        for found in source.imports
        if found.target.split(".")[0] == "executorch" and room(found.module) not in EXECUTORCH_ROOMS
    ]


def imports_against_the_drawing(source: Source) -> list[str]:
    return [
        str(found)
        for found in source.imports
        if found.target.startswith(f"{PACKAGE}.")
        and (there := room(found.target)) in ROOMS  # else a name in sdk_builder itself
        and there != (here := room(found.module))
        and there not in ROOMS.get(here, set())
    ]


RULES = [
    rooms_without_rule,
    heavy_in_light_rooms,
    executorch_elsewhere,
    imports_against_the_drawing,
]


@pytest.fixture(scope="module")
def source() -> Source:
    return Source(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_holds(rule, source):
    assert rule(source) == []


def test_drawing_has_no_way_back():
    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = [*ROOMS[start]]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += ROOMS[name]
        return found

    loops = [name for name in ROOMS if name not in {"cli", "__init__"} and name in reached(name)]
    assert loops == []
    assert {"quantization", "lowering", "runtime"}.isdisjoint(reached("models"))
    assert "lowering" not in reached("quantization")


def test_all_of_the_package_was_read(source):
    assert {"sdk_builder", "sdk_builder.bundle.chat", "sdk_builder.errors"} <= set(source.modules)
    assert "sdk_builder.bundle.record" in source.at_once("sdk_builder.bundle.chat")


# --- the rules find what they are for ---------------------------------------------------

BROKEN = {
    "a heavy import": ("bundle/chat.py", "import torch.nn", heavy_in_light_rooms),
    "a heavy import by way of another room": (
        "bundle/chat.py",
        "from sdk_builder.models import decoder",
        heavy_in_light_rooms,
    ),
    "a heavy import by way of a package": (
        "device/adb.py",
        "from sdk_builder.runtime.engine import X",
        heavy_in_light_rooms,
    ),
    "a heavy import in a try": (
        "log.py",
        "try:\n    from torch import nn\nexcept ImportError: pass",
        heavy_in_light_rooms,
    ),
    "a heavy relative import": (
        "bundle/chat.py",
        "from ..models.decoder import X",
        heavy_in_light_rooms,
    ),
    "executorch inside a function": (
        "quantization/schemes.py",
        "def f():\n    from executorch import exir",
        executorch_elsewhere,
    ),
    "a way back": (
        "models/config.py",
        "def f():\n    from sdk_builder.quantization import schemes",
        imports_against_the_drawing,
    ),
    "a way back for types": (
        "bundle/chat.py",
        "if TYPE_CHECKING:\n    from sdk_builder.runtime import Session",
        imports_against_the_drawing,
    ),
    "a relative way back": (
        "models/config.py",
        "from .. import lowering",
        imports_against_the_drawing,
    ),
    "a room without a rule": ("attic/box.py", "", rooms_without_rule),
}
FINE = {
    "runtime/__init__.py": "import executorch",
    "runtime/engine.py": "",
    "models/decoder.py": "import torch",
    "bundle/chat.py": "if TYPE_CHECKING:\n    import torch\ndef f():\n    import torch",
    "cli/root.py": "from sdk_builder import Session\ndef f():\n    import sdk_builder.runtime",
}


def write_package(root: Path, files: dict[str, str]) -> Source:
    for name, text in files.items():
        path = root / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    return Source(root)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_late_and_rightful_imports_are_allowed(rule, tmp_path):
    assert rule(write_package(tmp_path, FINE)) == []


@pytest.mark.parametrize("case", BROKEN)
def test_broken_rule_is_found(case, tmp_path):
    name, text, rule = BROKEN[case]
    assert len(rule(write_package(tmp_path, {**FINE, name: text}))) == 1


# --- and so it is in a real process -----------------------------------------------------


@pytest.mark.parametrize(
    "module",
    [
        "sdk_builder",
        "sdk_builder.bundle",
        *(
            f"sdk_builder.{name}"
            for name in sorted(LIGHT_ROOMS - {"__init__", "__main__", "bundle"})
            if any((ROOT / PACKAGE).glob(f"{name}*"))
        ),
    ],
)
def test_importing_a_light_room_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
