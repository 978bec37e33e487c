"""llama.cpp's programs, built once for this processor from a pinned, hashed source package.

    python -m benchmarks.peers.llama_cpp        # build them and print where they are

The source is what the Python package llama-cpp-python carries, fetched with pip, so that any
package index will do. cmake and ninja come from the system, or else from their wheels. Programs
are kept in the cache folder under a key of version, flags, compiler and processor, since they are
compiled for exactly this one. SHAKTI_LLAMA_CPP names a folder of programs to use instead.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sdk_builder.cache import cache_dir
from sdk_builder.errors import InputError, ToolchainError, output_errors
from sdk_builder.log import Steps
from sdk_builder.process import run

VERSION = "0.3.36"
SDIST_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
SOURCE = "vendor/llama.cpp"  # inside the package
PROGRAMS = (
    *("llama-bench", "llama-completion", "llama-perplexity", "llama-quantize", "llama-tokenize"),
)
# Static, so that the programs may be moved; no network, no server: they are not measured.
FLAGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=ON",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_TOOLS=ON",
)
FOLDER_VARIABLE = "SHAKTI_LLAMA_CPP"
_DOWNLOAD_TIMEOUT_S, _BUILD_TIMEOUT_S = 1800.0, 3600.0
_COMPILERS = ("c++", "g++", "clang++")


@dataclass(frozen=True)
class LlamaCpp:
    """Where the programs are, and what to call them in a result."""

    folder: Path
    version: str

    def program(self, name: str) -> Path:
        """Path of one of PROGRAMS. Raises ToolchainError if the folder lacks it."""
        path = self.folder / name
        if not path.is_file():
            raise ToolchainError(
                f"{self.folder} has no {name}.",
                f"Build it there, or unset {FOLDER_VARIABLE} to have it built.",
            )
        return path


def find() -> LlamaCpp | None:
    """The programs if they are built (or given) already; nothing is fetched."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return LlamaCpp(Path(given).expanduser(), f"from {FOLDER_VARIABLE}")
    compiler = _compiler()
    if compiler is None:
        return None
    folder = _cache_folder(compiler)
    return LlamaCpp(folder, _label()) if _complete(folder) else None


def set_up(steps: Steps | None = None) -> LlamaCpp:
    """The programs, built if need be (a few minutes of all cores).

    Raises ToolchainError without a C++ compiler and where fetching or building fails, InputError
    for a package that is not the expected one, OutputError when the cache cannot be written.
    """
    found = find()
    if found is not None:
        return found
    compiler = _compiler()
    if compiler is None:
        raise ToolchainError(
            f"No C++ compiler ({', '.join(_COMPILERS)}): llama.cpp cannot be built.",
            f"Install one (Debian: apt-get install g++), or set {FOLDER_VARIABLE} to a folder "
            "that has llama.cpp's programs.",
        )
    target, steps = _cache_folder(compiler), steps or Steps.silent()
    with output_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=target.parent) as temporary:
            work = Path(temporary)
            with steps.step(f"Fetching llama-cpp-python {VERSION}"):
                source = _unpack(_download(work), work)
            with steps.step("Building llama.cpp (some minutes)"):
                programs = _build(source, work)
            programs.replace(target)
    return LlamaCpp(target, _label())


def _label() -> str:
    return f"as in llama-cpp-python {VERSION}"


def _compiler() -> str | None:
    return next((path for name in _COMPILERS if (path := shutil.which(name))), None)


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in PROGRAMS)


def _cache_folder(compiler: str) -> Path:
    """Named by all that changes the programs' code."""
    told = run([compiler, "--version"], timeout_s=60, what="asking the compiler", check=False)
    parts = (VERSION, SDIST_SHA256, *FLAGS, told.stdout.partition("\n")[0], processor())
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    return cache_dir() / "peers" / f"llama.cpp-{VERSION}-{key}"


def processor() -> str:
    """The processor's name and instruction sets, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("model name", "flags", "Features", "CPU part")
    told = dict.fromkeys(line for line in lines if line.split("\t")[0].strip() in wanted)
    return "\n".join((platform.machine(), *told))


def _download(work: Path) -> Path:
    """Pip checks the hash before anything of the package runs."""
    wanted = work / "wanted.txt"
    wanted.write_text(f"llama-cpp-python=={VERSION} --hash=sha256:{SDIST_SHA256}\n")
    argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    run(
        [*argv, "--no-binary", ":all:", "--require-hashes", "-r", wanted, "--dest", work],
        timeout_s=_DOWNLOAD_TIMEOUT_S,
        what=f"downloading llama-cpp-python {VERSION}",
    )
    found = sorted(work.glob("llama_cpp_python-*.tar.gz"))
    if len(found) != 1:
        raise InputError(f"pip downloaded {len(found)} packages for llama-cpp-python {VERSION}.")
    if hashlib.sha256(found[0].read_bytes()).hexdigest() != SDIST_SHA256:
        raise InputError(f"{found[0].name} is not the expected package; nothing was kept.")
    return found[0]


def _unpack(package: Path, work: Path) -> Path:
    with tarfile.open(package) as archive:
        archive.extractall(work, filter="data")
    source = work / package.name.removesuffix(".tar.gz") / SOURCE
    if not (source / "CMakeLists.txt").is_file():
        raise InputError(f"{package.name} does not hold {SOURCE}.")
    return source


def _build(source: Path, work: Path) -> Path:
    """A folder with the programs alone."""
    environment, build = _with_tools(work), work / "build"
    run(
        ["cmake", "-G", "Ninja", "-S", source, "-B", build, *FLAGS],
        timeout_s=_BUILD_TIMEOUT_S,
        what="configuring llama.cpp",
        env=environment,
    )
    run(
        ["cmake", "--build", build, "--target", *PROGRAMS],
        timeout_s=_BUILD_TIMEOUT_S,
        what="building llama.cpp",
        env=environment,
    )
    programs = work / "programs"
    programs.mkdir()
    for name in PROGRAMS:
        shutil.copy2(build / "bin" / name, programs / name)
    return programs


def _with_tools(work: Path) -> dict[str, str]:
    """An environment whose PATH has cmake and ninja."""
    environment = dict(os.environ)
    missing = [name for name in ("cmake", "ninja") if shutil.which(name) is None]
    if missing:
        tools = work / "tools"
        run(
            [sys.executable, "-m", "pip", "install", "--target", tools, *missing],
            timeout_s=_DOWNLOAD_TIMEOUT_S,
            what=f"fetching {' and '.join(missing)}",
        )
        environment["PATH"] = f"{tools / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
        # cmake's wheel starts the real program through its Python package.
        paths = (str(tools), environment.get("PYTHONPATH", ""))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return environment


if __name__ == "__main__":
    print(set_up(Steps()).folder)
