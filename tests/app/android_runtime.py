"""Android's runtime library in the JVM: builds the harness of app/src/test/native, once.

    folder = build_harness(find_libraries(unpacked))
    subprocess.run(["java", *jvm_options(folder), ...])

Also a command: `python -m tests.app.android_runtime LIBRARIES...` prints the options.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sdk_builder.errors import InputError, ShaktiError, ToolchainError
from sdk_builder.process import run

SOURCES = Path(__file__).parents[2] / "android_demo/app/src/test/native"
# By the sonames that they ask for each other by; ExecuTorch's differs from its file's name.
LIBRARIES = {
    "libexecutorch.so": "libexecutorch_jni.so",
    "libfbjni.so": "libfbjni.so",
    "libc++_shared.so": "libc++_shared.so",
}
_OWN = "bionic_"
_STREAMS = ("__sF", "stdin", "stdout", "stderr")  # objects, defined in streams.c
_FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-fno-builtin")
_LIBC_SOURCES = ("streams.c", "values.c", "float128.c")
_COMPILER_HINT = "install gcc and binutils: apt install build-essential"
_TIMEOUT_S = 120.0
_SYMBOL = re.compile(
    r"\s*\d+:\s+[0-9a-f]+\s+\S+\s+(?P<type>\w+)\s+(?P<bind>\w+)\s+\w+\s+(?P<section>\w+)"
    r"\s+(?P<name>[^@\s]+)(?:@+(?P<version>\w+))?"
)


def find_libraries(*folders: Path) -> dict[str, Path]:
    """The x86_64 Android libraries by name, searched below `folders`. Raises InputError."""
    found: dict[str, Path] = {}
    for name in LIBRARIES:
        paths = [path for folder in folders for path in sorted(folder.rglob(name))]
        fitting = [path for path in paths if _is_x86_64(path)]
        if not fitting:
            searched = ", ".join(map(str, folders))
            raise InputError(f"no {name} for Android on x86_64 in {searched}")
        found[name] = fitting[0]
    return found


def build_harness(libraries: Mapping[str, Path], cache: Path | None = None) -> Path:
    """The folder with the agent, the stand-ins and `libraries` (name to file), built if need be.

    It is kept below SHAKTI_CACHE under a name made of everything that goes into it.
    Raises ToolchainError where this machine cannot build it, InputError for other libraries.
    """
    _check_machine()
    cache = cache or _cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"androidhost-{_key(libraries)}"
    with (cache / "androidhost.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests may run side by side
        if not folder.is_dir():
            with _staged(folder) as staging:
                _build(libraries, staging)
    return folder


def jvm_options(folder: Path, *, log: str = "F") -> list[str]:
    """The JVM's options for a harness; `log`: lowest priority of Android's log that is shown."""
    return [
        f"-agentpath:{folder}/libandroidhost.so=log={log}",
        f"-Djava.library.path={folder}",
        # The library can be loaded by one class loader only, which must outlive the sandboxes.
        "-Dorg.robolectric.packagesToNotAcquire=org.pytorch.,com.facebook.",
    ]


def _check_machine() -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise ToolchainError(
            f"Android's runtime library runs here on Linux x86_64, "
            f"this is {sys.platform} {platform.machine()}"
        )
    for program in ("readelf", "javac"):
        if not shutil.which(program):
            hint = _COMPILER_HINT if program == "readelf" else "install a JDK 17"
            raise ToolchainError(f"this machine has no {program}", hint)
    _compiler()


def _compiler() -> str:
    for name in ("gcc", "cc"):
        path = shutil.which(name)
        if path:
            return path
    raise ToolchainError("this machine has no C compiler", _COMPILER_HINT)


def _cache_folder() -> Path:
    chosen = os.environ.get("SHAKTI_CACHE")
    return (Path(chosen) if chosen else Path.home() / ".cache" / "shakti-sdk").expanduser()


def _key(libraries: Mapping[str, Path]) -> str:
    digest = hashlib.sha256(_compiler_version().encode())
    inputs = [Path(__file__), *sorted(SOURCES.glob("*.c"))]
    for path in (*inputs, *(libraries[name] for name in LIBRARIES)):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _compiler_version() -> str:
    return _run([_compiler(), "--version"], "asking the C compiler for its version")


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """A folder to fill that becomes `folder` at the end, or goes away if the block fails."""
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield staging
        staging.chmod(0o755)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _build(libraries: Mapping[str, Path], out: Path) -> None:
    for name, soname in LIBRARIES.items():
        shutil.copyfile(libraries[name], out / soname)
    # System.loadLibrary looks for this name; both must be one file, to be loaded once.
    (out / "libexecutorch.so").symlink_to(LIBRARIES["libexecutorch.so"])
    imports = _imports([out / soname for soname in LIBRARIES.values()])
    with tempfile.TemporaryDirectory(prefix="androidhost-") as folder:
        work = Path(folder)
        _build_libc(imports, work, out)
        _build_empty(work, out)
    _compile(
        [SOURCES / "log.c", "-shared", "-Wl,-soname,liblog.so", "-o", out / "liblog.so"], "the log"
    )
    _compile(
        [SOURCES / "agent.c", *_jni_headers(), "-shared", "-o", out / "libandroidhost.so", "-ldl"],
        "the JVM agent",
    )


def _build_libc(imports: Sequence[tuple[str, str]], work: Path, out: Path) -> None:
    objects = []
    for source in _LIBC_SOURCES:
        objects.append(work / f"{source}.o")
        _compile([SOURCES / source, "-c", "-o", objects[-1]], source)
    own = _functions([*objects])
    lines = [
        f"FORWARD({name}, {version}, {_OWN + name if _OWN + name in own else name})\n"
        for name, version in imports
    ]
    (work / "imports.h").write_text("".join(lines), encoding="utf-8")
    _compile([SOURCES / "forward.c", f"-I{work}", "-c", "-o", work / "forward.o"], "forward.c")
    (work / "libc.map").write_text(_version_script(imports), encoding="utf-8")
    _compile(
        [
            *objects,
            work / "forward.o",
            "-shared",
            "-Wl,-soname,libc.so,-z,defs,-z,now",
            f"-Wl,--version-script,{work}/libc.map",
            "-o",
            out / "libc.so",
            "-lm",
            "-ldl",
        ],
        "the stand-in for Android's libc (does the library ask for a function that nobody has?)",
    )


def _build_empty(work: Path, out: Path) -> None:
    """Libraries that are only asked for: what they would hold is in libc.so, or is not used."""
    nothing = work / "nothing.c"
    nothing.write_text("typedef int nothing;\n", encoding="utf-8")
    version = work / "empty.map"
    version.write_text("LIBC { local: *; };\n", encoding="utf-8")
    for name in ("libm.so", "libdl.so", "libandroid.so"):
        _compile(
            [
                nothing,
                "-shared",
                "-nostdlib",
                f"-Wl,-soname,{name},--version-script,{version}",
                "-o",
                out / name,
            ],
            name,
        )
    # First of the group. DT_RPATH, unlike DT_RUNPATH, also serves the libraries that these need.
    _compile(
        [
            nothing,
            "-shared",
            "-nostdlib",
            "-Wl,-soname,libgroup.so,--disable-new-dtags,-rpath,$ORIGIN,--no-as-needed",
            "-Wl,--allow-shlib-undefined,--unresolved-symbols=ignore-all",
            "-L",
            out,
            "-l:libexecutorch_jni.so",
            "-o",
            out / "libgroup.so",
        ],
        "the group of Android's libraries",
    )


def _imports(libraries: Sequence[Path]) -> list[tuple[str, str]]:
    """(name, version) of the libc functions that `libraries` ask for.

    All versions of bionic's libc are called LIBC…; objects (stdin and the like) are not here.
    """
    wanted = set()
    for library in libraries:
        for symbol in _symbols([library], "--dyn-syms"):
            version = symbol["version"] or ""
            if (
                symbol["section"] == "UND"
                and symbol["type"] == "FUNC"
                and version.startswith("LIBC")
            ):
                wanted.add((symbol["name"], version))
    return sorted(wanted)


def _functions(objects: Sequence[Path]) -> set[str]:
    return {
        symbol["name"]
        for symbol in _symbols(objects, "--syms")
        if symbol["type"] == "FUNC" and symbol["bind"] == "GLOBAL" and symbol["section"] != "UND"
    }


def _symbols(files: Sequence[Path], table: str) -> Iterator[dict[str, str]]:
    output = _run(["readelf", "--wide", table, *map(str, files)], "reading symbols")
    for line in output.splitlines():
        match = _SYMBOL.match(line)
        if match:
            yield match.groupdict()


def _version_script(imports: Sequence[tuple[str, str]]) -> str:
    """One node a version, with the names that have it; LIBC, the oldest, also has the streams."""
    names: dict[str, list[str]] = {"LIBC": [*_STREAMS]}
    for name, version in imports:
        names.setdefault(version, []).append(name)
    parts = [f"LIBC {{ global: {'; '.join(names.pop('LIBC'))}; local: *; }};\n"]
    parts += [f"{node} {{ global: {'; '.join(names[node])}; }} LIBC;\n" for node in sorted(names)]
    return "".join(parts)


def _jni_headers() -> list[str]:
    javac = Path(shutil.which("javac") or "").resolve()
    include = javac.parents[1] / "include"
    if not (include / "jni.h").is_file():
        raise ToolchainError(f"the JDK at {javac.parents[1]} has no jni.h", "install a whole JDK")
    return [f"-I{include}", f"-I{include}/linux"]


def _compile(arguments: Sequence[str | Path], what: str) -> None:
    _run([_compiler(), *_FLAGS, *map(str, arguments)], f"building {what}")


def _run(argv: Sequence[str], what: str) -> str:
    return run(argv, timeout_s=_TIMEOUT_S, what=what, missing_hint=_COMPILER_HINT).stdout


def _is_x86_64(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(20)
    return head[:4] == b"\x7fELF" and head[18:20] == b"\x3e\x00"


def main(folders: Sequence[str]) -> int:
    """Print the JVM options, one a line, for the libraries below `folders`."""
    if not folders:
        sys.stderr.write("usage: python -m tests.app.android_runtime LIBRARIES...\n")
        return 2
    try:
        options = jvm_options(build_harness(find_libraries(*map(Path, folders))))
    except ShaktiError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write("\n".join(options) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
