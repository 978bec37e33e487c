"""The Gradle project agrees with the catalog, the sources and the SDK's own build.

Gradle itself is not run: Google's repository, which its Android plugin comes from, may be out of
reach. What can drift apart without anybody noticing is held together here.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

import sdk_builder
from sdk_builder.app.catalog import CATALOG, read_toml
from sdk_builder.app.runtimes import ABIS, FLAVOURS
from sdk_builder.benchmark.protocol import INSTRUMENTATION
from sdk_builder.cli import requests
from sdk_builder.device import app
from sdk_builder.device.demo_app import MAIN_ACTIVITY, PACKAGE
from tests.app import inputs, jvm

ROOT = Path(sdk_builder.__file__).parents[1]
DEMO = ROOT / "android_demo"
SOURCES = DEMO / "app" / "src"
SCRIPTS = ("settings.gradle.kts", "build.gradle.kts", "app/build.gradle.kts")
ANDROID = "{http://schemas.android.com/apk/res/android}"


@pytest.fixture(scope="module")
def catalog() -> dict[str, Any]:
    return read_toml(DEMO / CATALOG)


@pytest.fixture(scope="module")
def build() -> str:
    return (DEMO / "app/build.gradle.kts").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def manifest() -> ElementTree.Element:
    return ElementTree.parse(SOURCES / "main" / "AndroidManifest.xml").getroot()


def accessors(table: dict[str, Any]) -> set[str]:
    """What Gradle makes of the catalog for build scripts: dashes become dots."""

    def dotted(prefix: str, names: Any) -> set[str]:
        return {f"libs.{prefix}{name.replace('-', '.').replace('_', '.')}" for name in names}

    return (
        dotted("", table["libraries"])
        | dotted("versions.", table["versions"])
        | dotted("bundles.", table["bundles"])
        | dotted("plugins.", table["plugins"])
    )


def used(text: str) -> set[str]:
    """The accessors that a script uses."""
    return {name.removesuffix(".get") for name in re.findall(r"\blibs(?:\.\w+)+", text)}


# --- the catalog --------------------------------------------------------------------------------


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_alias_of_a_script_is_in_the_catalog(catalog, script):
    text = (DEMO / script).read_text(encoding="utf-8")
    assert used(text) <= accessors(catalog)


def test_an_alias_that_is_not_there_would_be_found(catalog):
    script = "implementation(libs.bundles.app)\nlibs.versions.minSdk.get().toInt()\nlibs.okhttp"
    assert used(script) - accessors(catalog) == {"libs.okhttp"}


def test_every_version_of_the_catalog_is_used(catalog):
    entries = [*catalog["libraries"].values(), *catalog["plugins"].values()]
    referred = {entry["version"]["ref"] for entry in entries}
    plain = {"minSdk", "targetSdk", "compileSdk", "react-native-executorch"}
    assert set(catalog["versions"]) == referred | plain


def test_every_bundle_names_libraries_of_the_catalog(catalog):
    for name, aliases in catalog["bundles"].items():
        assert set(aliases) <= set(catalog["libraries"]), name


def test_the_kotlin_plugin_is_the_compiler_that_the_sdk_runs(catalog):
    assert catalog["plugins"]["kotlin-android"]["version"]["ref"] == "kotlin"
    assert catalog["libraries"]["kotlin-compiler"]["version"]["ref"] == "kotlin"


def test_both_builds_give_the_app_the_same_libraries(build, catalog):
    for bundle in ("app", "runtime.official", "runtime.community", "test"):
        assert f"(libs.bundles.{bundle})" in build
    assert not re.search(r'mplementation\("', build)  # no version beside the catalog's


# --- names, versions, flavours ------------------------------------------------------------------


def test_the_app_has_one_name(build, manifest):
    assert re.findall(r'(?:namespace|applicationId) = "(.+)"', build) == [PACKAGE, PACKAGE]
    assert manifest.attrib.get("package", PACKAGE) == PACKAGE
    activities = {one.attrib[f"{ANDROID}name"] for one in manifest.iter("activity")}
    assert MAIN_ACTIVITY.removeprefix(f"{PACKAGE}/") in activities
    (instrumentation,) = manifest.iter("instrumentation")
    assert instrumentation.attrib[f"{ANDROID}name"] == INSTRUMENTATION.removeprefix(f"{PACKAGE}/")


def test_the_levels_of_android_come_from_the_catalog_everywhere(build, catalog, manifest):
    for level in ("minSdk", "targetSdk", "compileSdk"):
        assert f"{level} = libs.versions.{level}.get().toInt()" in build
    assert int(catalog["versions"]["minSdk"]) == app.MIN_API
    for uses in manifest.iter("uses-sdk"):
        levels = [uses.attrib[f"{ANDROID}{name}SdkVersion"] for name in ("min", "target")]
        assert levels == [catalog["versions"][name] for name in ("minSdk", "targetSdk")]


def test_the_version_is_read_from_where_the_sdk_has_it(build):
    (path,) = re.findall(r'fileContents\(repository\.file\("(.+)"\)\)', build)
    (pattern,) = re.findall(r'Regex\("(.+)"\)\.find', build)
    found = re.search(pattern.replace('\\"', '"'), (ROOT / path).read_text(encoding="utf-8"))
    assert found is not None
    assert found[1] == sdk_builder.__version__


def test_a_flavour_is_one_everywhere(build):
    names = set(re.findall(r'create\("(\w+)"\) \{ dimension = "runtime" \}', build))
    assert names == set(FLAVOURS) == set(requests.RUNTIMES)
    assert {path.name for path in SOURCES.iterdir()} == {"main", "test"} | names
    for name in names:
        assert (SOURCES / name / "kotlin/io/shakti/demo/runtime/RuntimeFlavour.kt").is_file()


def test_processors_are_those_that_a_runtime_is_built_for(build):
    assert requests.ABIS == ABIS == app.ABIS
    (default,) = re.findall(r'setting\("shakti\.abis"\) \?: "(.+?)"', build)
    assert default in ABIS


def test_native_libraries_are_stored_for_large_pages(build, manifest):
    assert "useLegacyPackaging = false" in build
    (application,) = manifest.iter("application")
    assert application.attrib.get(f"{ANDROID}extractNativeLibs", "false") == "false"


# --- tests --------------------------------------------------------------------------------------


def test_gradle_gives_the_tests_what_our_runner_gives_them(build):
    for name in inputs.PROPERTIES:
        assert f'"{name}"' in build
    opened = re.findall(r'"(java\.\w+)"', build)
    assert {f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in opened} == set(jvm.OPENED)
    assert 'excludeTestsMatching("*RuntimeTest")' in build


def test_what_the_sources_stand_in_for_is_not_taken_from_a_repository(build):
    stubs = [path.parts for path in (SOURCES / "test" / "kotlin" / "androidx").rglob("*.kt")]
    assert stubs
    for group in ("androidx.test", "androidx.test.espresso"):
        assert f'exclude(group = "{group}")' in build


def test_files_that_a_script_names_are_there(build):
    for name in re.findall(r'proguardFiles\("(.+)"\)', build):
        assert (DEMO / "app" / name).is_file()
    assert 'include(":app")' in (DEMO / "settings.gradle.kts").read_text(encoding="utf-8")


# --- the wrapper and the readme -----------------------------------------------------------------


def test_the_wrapper_has_a_gradle_that_the_android_plugin_takes(catalog):
    text = (DEMO / "gradle/wrapper/gradle-wrapper.properties").read_text(encoding="utf-8")
    (gradle,) = re.findall(r"gradle-(\d+\.\d+)[\d.]*-bin\.zip", text)
    # Each Android plugin 8.x needs Gradle of the same number, or up to two numbers less.
    plugin = catalog["versions"]["agp"].rpartition(".")[0]
    assert [int(part) for part in gradle.split(".")] >= [int(part) for part in plugin.split(".")]


def test_the_readme_tells_the_settings_and_what_was_not_run(build):
    readme = (DEMO / "README.md").read_text(encoding="utf-8")
    for name in set(re.findall(r'setting\("(shakti\.[\w.]+)"\)', build)):
        assert f"`{name}`" in readme
    assert "**not** run" in readme
    assert "gradle wrapper" in readme
    for folder in re.findall(r"^\| `(\w+)/`", readme, re.MULTILINE):
        assert (SOURCES / "main/kotlin/io/shakti/demo" / folder).is_dir(), folder
