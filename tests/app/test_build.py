"""The real build of the real app, with the runtime that can be had everywhere."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from sdk_builder import __version__
from sdk_builder.app.aapt2 import run_aapt2
from sdk_builder.app.build import BuildRequest, BuiltApk, build_apk
from sdk_builder.app.catalog import read_catalog
from sdk_builder.app.inspection import inspect_apk
from sdk_builder.app.jdk import class_path, run_java
from sdk_builder.app.signing import Keystore, verify
from sdk_builder.app.sources import android_demo
from sdk_builder.app.toolchain import Tools, app_cache, open_store, resolve_tools
from sdk_builder.device.app import MIN_API
from sdk_builder.errors import CompileError, KeystoreError
from sdk_builder.log import Steps
from sdk_builder.process import run
from tests.app.references import Platform, dex_files, unresolved
from tests.debian_packages import PackagesMissingError, unpacked
from tests.debian_packages import run as run_debian

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

MAX_BYTES = 20 * 10**6
PERMISSIONS = (
    "android.permission.FOREGROUND_SERVICE",
    "android.permission.FOREGROUND_SERVICE_SPECIAL_USE",
    "android.permission.POST_NOTIFICATIONS",
)
# What the oldest Android lacks of what the app names: each is used behind a look at SDK_INT.
GUARDED = {
    "Landroid/app/Activity;->getOnBackInvokedDispatcher",
    "Landroid/app/Service;->startForeground",  # with a type
    "Landroid/os/Build;->SOC_MODEL",
    "Landroid/os/PowerManager;->getCurrentThermalStatus",
    "Landroid/text/style/BulletSpan;-><init>",  # with a radius
    "Landroid/view/DisplayCutout;",
    "Landroid/view/View;->setAccessibilityHeading",
    "Landroid/view/View;->setStateDescription",
    "Landroid/view/Window;->setDecorFitsSystemWindows",
    "Landroid/view/Window;->setNavigationBarContrastEnforced",
    "Landroid/view/WindowInsets$Type;",
    "Landroid/view/WindowInsets;->getDisplayCutout",
    "Landroid/view/WindowInsets;->getInsets",
    "Landroid/widget/TextView;->setLineHeight",
    "Landroid/window/OnBackInvokedCallback;",
    "Landroid/window/OnBackInvokedDispatcher;",
    "Ljavax/annotation/Nullable;",  # an annotation of nativeloader, which no Android has
}
LIBRARIES = {"libc++_shared.so", "libexecutorch.so", "libfbjni.so"}


@dataclass(frozen=True)
class Made:
    """An APK that was built, and its entries."""

    built: BuiltApk
    contents: Mapping[str, bytes]


def build(folder: Path, **options) -> Made:
    request = BuildRequest(folder, runtime="community", **options)
    built = build_apk(request, Steps.silent(), demo=options.pop("demo", None))
    with zipfile.ZipFile(built.path) as archive:
        assert archive.testzip() is None
        return Made(built, {name: archive.read(name) for name in archive.namelist()})


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    return build(tmp_path_factory.mktemp("apk"))


@pytest.fixture(scope="module")
def tools() -> Tools:
    with Steps.silent().step("tools") as step:
        return resolve_tools(read_catalog(android_demo()), open_store(), step)


@pytest.fixture(scope="module")
def platform(tools) -> Platform:
    return Platform([tools.framework.classes], tools.jdk.home / "lib" / "ct.sym", "8")


def test_signature_holds_on_every_android_from_the_oldest_to_the_newest(made, tools):
    for lowest, highest in ((28, 28), (26, 36), (35, 36)):
        found = verify(tools.jdk, tools.signer, made.built.path, lowest, highest)
        assert found.signers == made.built.report.signers
    old = verify(tools.jdk, tools.signer, made.built.path, 24, 27)  # before v3
    assert old.v2
    assert made.built.report.signature_schemes == ("v2", "v3")


def test_aapt2_reads_what_our_own_inspection_reads(made, tools):
    said = run_aapt2(tools.aapt2, ["dump", "badging", made.built.path], what="reading").stdout
    report = made.built.report
    head = f"package: name='{report.package}' versionCode='{report.version_code}' "
    assert f"{head}versionName='{__version__}'" in said
    assert re.search(rf"^(?:minSdkVersion|sdkVersion):'{report.min_sdk}'", said, re.MULTILINE)
    assert f"targetSdkVersion:'{report.target_sdk}'" in said
    named = re.findall(r"^uses-permission: name='([^']+)'", said, re.MULTILINE)
    assert tuple(sorted(named)) == report.permissions == PERMISSIONS
    assert "launchable-activity: name='io.shakti.demo.MainActivity'" in said
    assert "native-code: 'arm64-v8a'" in said
    assert ("application-debuggable" in said) == report.debuggable


def test_inspection_finds_the_runtimes_small_pages_and_nothing_else(made):
    report = made.built.report
    assert report.problems == ("not for phones with 16 KiB pages: libexecutorch.so",)
    assert {library.name for library in report.libraries} == LIBRARIES
    assert report.abis == ("arm64-v8a",)
    assert report.runtime is not None
    assert report.runtime.flavour == "community"
    for library in report.libraries:
        assert library.zip_alignment is not None
        assert library.zip_alignment >= 16384
    assert inspect_apk(made.built.path) == report


def test_limits_of_the_runtime_are_warnings_and_the_compiler_has_none(made):
    assert any("4 KiB" in warning for warning in made.built.warnings)
    assert [w for w in made.built.warnings if not w.startswith("runtime:")] == []


def test_apk_is_small_and_has_no_way_to_the_internet(made):
    assert made.built.report.size_bytes <= MAX_BYTES
    assert not any("INTERNET" in name for name in made.built.report.permissions)


def test_everything_that_the_code_names_is_there(made, platform):
    assert unresolved(dex_files(made.contents), platform) == []


def test_what_the_oldest_android_lacks_is_known_and_guarded(made, tools):
    artifact = read_catalog(android_demo()).bundle("framework-oldest")[0]
    with Steps.silent().step("Android 8.0") as step:
        (oldest,) = open_store().bring([artifact], step)
    platform = Platform([oldest], tools.jdk.home / "lib" / "ct.sym", "8")
    lacking = unresolved(dex_files(made.contents), platform)
    assert {name for name in lacking if not name.startswith(tuple(GUARDED))} == set()
    assert {known for known in GUARDED if not any(n.startswith(known) for n in lacking)} == set()


def test_check_of_names_finds_what_was_shrunk_away(made, platform):
    (file,) = dex_files(made.contents)
    victim = next(one for one in file.class_defs if one.name == "Lorg/pytorch/executorch/Tensor;")
    rest = tuple(one for one in file.class_defs if one is not victim)
    file.__dict__["class_defs"] = rest
    missing = unresolved([file], platform)
    assert "Lorg/pytorch/executorch/Tensor;" in missing
    assert any(name.startswith("Lorg/pytorch/executorch/Tensor;->") for name in missing)


def test_classes_that_android_and_the_native_library_look_up_are_there(made):
    (file,) = dex_files(made.contents)
    defined = {one.name: one for one in file.class_defs}
    manifest = (android_demo() / "app/src/main/AndroidManifest.xml").read_text(encoding="utf-8")
    for name in re.findall(
        r'<(?:application|activity|service|instrumentation)\s+android:name="\.([\w.]+)"', manifest
    ):
        assert f"Lio/shakti/demo/{name.replace('.', '/')};" in defined
    for name in ("Module", "Tensor", "EValue", "ExecuTorchRuntime"):
        assert f"Lorg/pytorch/executorch/{name};" in defined
    assert "Lcom/facebook/jni/HybridData;" in defined
    # Called from native code alone.
    tensor = defined["Lorg/pytorch/executorch/Tensor;"]
    assert "nativeNewTensor" in {method.name for method in tensor.methods}


def test_dex_is_read_by_another_reader(made, tools, tmp_path):
    for name, data in made.contents.items():
        if name.endswith(".dex"):
            (tmp_path / name).write_bytes(data)
    run_java(
        tools.jdk,
        [
            *("-cp", class_path(tools.shrinker), "com.android.tools.r8.D8"),
            *("--min-api", str(MIN_API), "--output", tmp_path / "o.zip"),
            *("--lib", tools.framework.classes, "--lib", tools.jdk.home),
            *sorted(tmp_path.glob("*.dex")),
        ],
        what="reading the dex files",
        timeout_s=300,
    )
    (again,) = dex_files(_entries(tmp_path / "o.zip"))
    (file,) = dex_files(made.contents)
    assert {one.name for one in again.class_defs} == {one.name for one in file.class_defs}


def test_dex_passes_androids_own_verifier(made, tmp_path):
    """dexdump opens a file as Android does: structure, indices and checksum are verified."""
    program, environment = dexdump()
    for name, data in made.contents.items():
        if name.endswith(".dex"):
            (tmp_path / name).write_bytes(data)
            damaged = bytearray(data)
            damaged[len(data) // 2] ^= 1
            (tmp_path / "damaged.dex").write_bytes(damaged)
            said = run_debian([program, "-c", str(tmp_path / name)], environment=environment)
            assert "Checksum verified" in said
            with pytest.raises(PackagesMissingError, match="[Cc]hecksum"):
                run_debian([program, str(tmp_path / "damaged.dex")], environment=environment)


def dexdump() -> tuple[str, dict[str, str]]:
    """Android's dexdump, and the environment that it needs."""
    if found := shutil.which("dexdump"):
        return found, {}
    try:
        tree = unpacked(("dexdump",), "usr/bin/dexdump")
    except PackagesMissingError as error:
        if os.environ.get("CI"):
            pytest.fail(f"dexdump is required here: {error}")
        pytest.skip(f"no dexdump: {error}")
    libraries = sorted({file.parent for file in tree.glob("usr/lib/**/*.so*")})
    path = os.pathsep.join(str(library) for library in libraries)
    return str(tree / "usr/bin/dexdump"), {"LD_LIBRARY_PATH": path}


def test_lines_of_a_stack_trace_are_those_of_the_source(made):
    (file,) = dex_files(made.contents)
    assert "MainActivity.kt" in file.strings


def test_same_sources_in_another_folder_give_the_same_bytes(made, tmp_path, monkeypatch):
    monkeypatch.setenv("SHAKTI_CACHE", str(cache_without_stages(tmp_path)))
    elsewhere = tmp_path / "a folder elsewhere" / "android_demo"
    shutil.copytree(android_demo(), elsewhere, ignore=shutil.ignore_patterns("build", ".gradle"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    request = BuildRequest(tmp_path / "out", runtime="community")
    built = build_apk(request, Steps.silent(), demo=elsewhere)
    assert built.path.read_bytes() == made.built.path.read_bytes()
    assert list(scratch.iterdir()) == []


def test_both_abis_without_shrinking_and_with_a_key_of_ones_own(made, tools, tmp_path, monkeypatch):
    path = own_keystore(tools, tmp_path)
    monkeypatch.setenv("SHAKTI_KEYSTORE_PASSWORD", "store-secret")
    keystore = Keystore.from_environment(path, "mine")
    both = ("arm64-v8a", "x86_64")
    whole = build(tmp_path / "out", abis=both, shrink=False, keystore=keystore)
    assert whole.built.report.abis == both
    assert whole.built.report.signers != made.built.report.signers
    defined = {one.name for file in dex_files(whole.contents) for one in file.class_defs}
    assert len(defined) > 1000
    assert "Lkotlin/collections/CollectionsKt;" in defined
    assert "META-INF/services/kotlinx.coroutines.internal.MainDispatcherFactory" in whole.contents


@pytest.mark.parametrize(
    ("alias", "password", "what"),
    [("mine", "wrong", "does not open"), ("others", "store-secret", "no key called others")],
)
def test_key_that_cannot_sign_is_told_and_nothing_is_left(tools, tmp_path, alias, password, what):
    keystore = Keystore(own_keystore(tools, tmp_path), alias, password)
    with pytest.raises(KeystoreError, match=what) as caught:
        build(tmp_path / "out", keystore=keystore)
    assert "SHAKTI_KEYSTORE_PASSWORD" in caught.value.hint
    assert "secret" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_source_that_does_not_compile_is_shown_with_its_line(tmp_path):
    demo = tmp_path / "android_demo"
    shutil.copytree(android_demo(), demo)
    broken = demo / "app/src/main/kotlin/io/shakti/demo/Broken.kt"
    broken.write_text("package io.shakti.demo\n\nval broken: Int = noSuchThing\n")
    request = BuildRequest(tmp_path / "out", runtime="community")
    with pytest.raises(CompileError) as caught:
        build_apk(request, Steps.silent(), demo=demo)
    assert re.search(r"Broken\.kt:3:19: error: .*noSuchThing", caught.value.hint)
    assert list((tmp_path / "out").iterdir()) == []


def test_resource_that_does_not_link_is_shown(tmp_path):
    demo = tmp_path / "android_demo"
    shutil.copytree(android_demo(), demo)
    manifest = demo / "app/src/main/AndroidManifest.xml"
    manifest.write_text(manifest.read_text().replace("@style/Theme.Shakti", "@style/NoSuch"))
    with pytest.raises(CompileError) as caught:
        build_apk(BuildRequest(tmp_path / "out", runtime="community"), Steps.silent(), demo=demo)
    assert "NoSuch" in caught.value.hint


def cache_without_stages(folder: Path) -> Path:
    """A cache with this user's downloads and debug key, in which nothing is compiled yet."""
    (folder / "cache" / "app").mkdir(parents=True)
    for part in app_cache().iterdir():
        if part.name not in ("stages", "tests"):
            (folder / "cache" / "app" / part.name).symlink_to(part)
    return folder / "cache"


def own_keystore(tools: Tools, folder: Path) -> Path:
    path = folder / "own.p12"
    run(
        [
            *(tools.jdk.tool("keytool"), "-genkeypair", "-keystore", path, "-storetype", "PKCS12"),
            *("-storepass", "store-secret", "-alias", "mine", "-keyalg", "EC"),
            *("-groupname", "secp256r1", "-validity", "9999", "-dname", "CN=Me"),
        ],
        timeout_s=120,
        what="making a key",
    )
    return path


def _entries(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
