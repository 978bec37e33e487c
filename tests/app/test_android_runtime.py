"""The harness that runs Android's library in the JVM, where it differs from glibc."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from sdk_builder.app.catalog import read_catalog
from sdk_builder.app.jdk import find_jdk
from sdk_builder.app.runtimes import resolve_runtime
from sdk_builder.app.toolchain import app_cache, open_store
from sdk_builder.errors import InputError, ToolchainError
from sdk_builder.log import Steps
from tests.app.android_runtime import LIBRARIES, build_harness, find_libraries, jvm_options
from tests.app.compiled import DEMO

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def libraries() -> dict[str, Path]:
    """The community build's libraries for x86_64."""
    with Steps.silent().step("Libraries") as step:
        runtime = resolve_runtime(
            "community",
            ("x86_64",),
            read_catalog(DEMO),
            open_store(),
            app_cache() / "runtimes",
            step,
        )
    return dict(runtime.libraries["x86_64"])


@pytest.fixture(scope="module")
def harness(libraries) -> Path:
    return build_harness(libraries)


@pytest.fixture(scope="module")
def libc(harness):
    """A function of the stand-in for bionic's libc, by name, as Android code would get it."""
    process = ctypes.CDLL(None)
    process.dlvsym.restype = ctypes.c_void_p
    handle = ctypes.CDLL(str(harness / "libc.so"))

    def look_up(name: str, *arguments, result=ctypes.c_long):
        address = process.dlvsym(ctypes.c_void_p(handle._handle), name.encode(), b"LIBC")
        assert address, f"{name} is not in the stand-in"
        return ctypes.CFUNCTYPE(result, *arguments)(address)

    return look_up


def test_harness_is_built_once_and_holds_the_libraries_unchanged(harness, libraries):
    built = (harness / "libc.so").stat().st_mtime_ns
    assert build_harness(libraries) == harness
    assert (harness / "libc.so").stat().st_mtime_ns == built
    for name, soname in LIBRARIES.items():
        assert (harness / soname).read_bytes() == libraries[name].read_bytes()
    assert (harness / "libexecutorch.so").samefile(harness / "libexecutorch_jni.so")


def test_limits_have_bionics_numbers(libc):
    sysconf = libc("sysconf", ctypes.c_int)
    assert sysconf(0x61) == os.sysconf("SC_NPROCESSORS_ONLN")
    assert sysconf(0x27) == sysconf(0x28) == os.sysconf("SC_PAGE_SIZE")
    assert sysconf(0x62) == os.sysconf("SC_PHYS_PAGES")


def test_limit_without_counterpart_is_told_aloud(libc, capfd):
    assert libc("sysconf", ctypes.c_int)(0x7777) == -1
    assert "sysconf(0x7777) has no counterpart" in capfd.readouterr().err


def test_errors_have_posix_and_gnu_texts(libc):
    posix = libc("strerror_r", ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, result=ctypes.c_int)
    text = ctypes.create_string_buffer(100)
    assert posix(errno.ENOENT, text, 100) == 0
    assert text.value == os.strerror(errno.ENOENT).encode()
    gnu = libc(
        *("__gnu_strerror_r", ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t),
        result=ctypes.c_char_p,
    )
    assert gnu(errno.ENOENT, text, 100) == os.strerror(errno.ENOENT).encode()


def test_signal_mask_of_64_bits_leaves_its_neighbours_alone(libc):
    mask = libc("pthread_sigmask", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    field = (ctypes.c_uint64 * 3)(7, 7, 7)
    assert mask(0, None, ctypes.addressof(field) + 8) == 0
    assert (field[0], field[2]) == (7, 7)
    assert field[1] != 7


def test_standard_streams_of_the_array_are_this_process_own(libc, harness, capfd):
    library = ctypes.CDLL(str(harness / "libc.so"))
    process = ctypes.CDLL(None)
    process.dlvsym.restype = ctypes.c_void_p
    streams = process.dlvsym(ctypes.c_void_p(library._handle), b"__sF", b"LIBC")
    stderr = ctypes.c_void_p(streams + 2 * 152)
    assert (
        libc("fputs", ctypes.c_char_p, ctypes.c_void_p, result=ctypes.c_int)(b"hello\n", stderr)
        >= 0
    )
    printf = libc("fprintf", ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, result=ctypes.c_int)
    assert printf(stderr, b"%d\n", 42) == 3
    assert libc("fclose", ctypes.c_void_p, result=ctypes.c_int)(stderr) == 0
    assert printf(stderr, b"%d\n", 43) == 3
    assert capfd.readouterr().err == "hello\n42\n43\n"


def test_function_that_nobody_has_is_named(libraries, tmp_path):
    """A library that asks Android's libc for more, made with a libc that promises it."""
    script = tmp_path / "libc.map"
    script.write_text("LIBC { global: not_in_any_libc; local: *; };", encoding="utf-8")
    promising = ["-Wl,-soname,libc.so", f"-Wl,--version-script,{script}"]
    libc = _library(tmp_path / "libc.so", "void not_in_any_libc(void) {}", promising)
    source = "void not_in_any_libc(void); void ask(void) { not_in_any_libc(); }"
    asking = _library(tmp_path / "libfbjni.so", source, [libc])
    with pytest.raises(ToolchainError) as refused:
        build_harness({**libraries, "libfbjni.so": asking}, tmp_path / "cache")
    assert "not_in_any_libc" in str(refused.value)
    assert not list((tmp_path / "cache").glob("*androidhost-*"))


def _library(path: Path, source: str, options: Sequence[str | Path]) -> Path:
    code = path.with_suffix(".c")
    code.write_text(source, encoding="utf-8")
    command = ["cc", "-fPIC", "-shared", "-nostdlib", code, *options, "-o", path]
    subprocess.run(command, check=True, capture_output=True)
    return path


def test_folder_without_the_libraries_is_told_with_the_name(tmp_path):
    (tmp_path / "arm64-v8a").mkdir()
    for_arm = b"\x7fELF" + bytes(14) + b"\xb7\x00"
    (tmp_path / "arm64-v8a" / "libexecutorch.so").write_bytes(for_arm)
    with pytest.raises(InputError, match=r"no libexecutorch\.so for Android on x86_64"):
        find_libraries(tmp_path)


@pytest.mark.parametrize(
    ("option", "said"), [("loud", "unknown option loud"), ("log=Q", "unknown option log=Q")]
)
def test_agent_refuses_options_that_it_does_not_know(harness, option, said):
    java = find_jdk().tool("java")
    agent = f"-agentpath:{harness}/libandroidhost.so={option}"
    done = subprocess.run(
        [java, agent, "-version"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert said in done.stdout + done.stderr


def test_jvm_starts_with_the_options(harness):
    java = find_jdk().tool("java")
    done = subprocess.run(
        [java, *jvm_options(harness), "-Xcheck:jni", "-version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
