"""`shakti-sdk demo`: build the Android app, and put it on phones."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdk_builder.cli.apk_text import apk_document, apk_text
from sdk_builder.cli.arguments import PATH, complete_phone
from sdk_builder.cli.group import describe
from sdk_builder.cli.invocation import CommandFunction, Invocation, command_options
from sdk_builder.cli.keystore import keystore_options
from sdk_builder.cli.requests import ABIS, RUNTIMES, DemoBuildOptions, DemoInstallOptions
from sdk_builder.cli.several import failure_of
from sdk_builder.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from sdk_builder.app.install import OnPhone

OUTPUT = Path("build/demo")
LOST = "its chats, settings and imported models"
KEPT = "To go on, mend the cause and give the same command again."

device_option = click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="SERIAL|all",
    shell_complete=complete_phone,
    help="Which phone; may be repeated. all is every attached one.  "
    "[default: the one attached phone]",
)
runtime_option = click.option(
    "--runtime",
    type=click.Choice(RUNTIMES),
    default="official",
    show_default=True,
    help="Which build of ExecuTorch the app carries.",
)
output_option = click.option(
    "-o", "--output", type=PATH, default=OUTPUT, show_default=True, help="The APK's folder."
)


def bundle_option(text: str) -> Callable[[CommandFunction], CommandFunction]:
    """--bundle, with what is done with it."""
    return click.option("--bundle", type=PATH, metavar="DIR|ZIP", help=text)


@click.group("demo")
def demo() -> None:
    """Build the Android app, and put it on phones.

    docs/demo.md tells what the app does, and how it is used.
    """


@demo.command("build")
@output_option
@runtime_option
@click.option(
    "--abi",
    "abis",
    multiple=True,
    type=click.Choice(ABIS),
    help="Processors to build for; may be repeated.  [default: arm64-v8a]",
)
@click.option(
    "--keystore", type=PATH, metavar="FILE", help="Sign with your own key instead of a debug key."
)
@click.option("--key-alias", metavar="NAME", help="The key's name in the keystore.")
@click.option(
    "--repository",
    "repositories",
    multiple=True,
    metavar="URL",
    help="A Maven repository to ask first; may be repeated.",
)
@click.option("--offline", is_flag=True, help="Download nothing: take all from the cache.")
@click.option("--no-shrink", is_flag=True, help="Keep classes and methods that nothing uses.")
@click.option("--force", is_flag=True, help="Replace an APK that is already there.")
@command_options
def build(
    invocation: Invocation,
    *,
    output: Path,
    runtime: str,
    abis: tuple[str, ...],
    keystore: Path | None,
    key_alias: str | None,
    repositories: tuple[str, ...],
    offline: bool,
    no_shrink: bool,
    force: bool,
) -> None:
    """Make a signed APK of the app, with a JDK and nothing else of Android's.

    Where ANDROID_HOME is set, the Android SDK's own tools are taken. Passwords of a keystore come
    from SHAKTI_KEYSTORE_PASSWORD and SHAKTI_KEY_PASSWORD, or are asked for.
    """
    built = invocation.library.build_demo(
        DemoBuildOptions(
            output=output,
            runtime=runtime,
            abis=abis or ABIS[:1],
            keystore=keystore_options(keystore, key_alias),
            repositories=repositories,
            shrink=not no_shrink,
            offline=offline,
            force=force,
        ),
        invocation.steps(),
    )
    document = {
        "apk": str(built.path),
        **apk_document(built.report),
        "warnings": list(built.warnings),
    }
    invocation.result(document, f"{built.path}: {apk_text(built.report)}")
    options = "" if runtime == RUNTIMES[0] else f" --runtime {runtime}"
    options += "" if output == OUTPUT else f" -o {shlex.quote(str(output))}"
    invocation.remark(f"\nNext: shakti-sdk demo install{options}")


@demo.command("inspect")
@click.argument("apk", type=PATH)
@command_options
def inspect(invocation: Invocation, apk: Path) -> None:
    """Show what is inside APK: versions, signer, permissions, libraries, size by part."""
    report = invocation.library.inspect_demo(apk)
    text = f"{apk}: {apk_text(report, details=True)}"
    invocation.result({"apk": str(apk), **apk_document(report)}, text)


@demo.command("install")
@device_option
@click.option("--apk", type=PATH, help="The APK.  [default: the one in -o, built if it is missing]")
@output_option
@runtime_option
@bundle_option("Push this bundle too, and open the app on it.")
@command_options
def install(
    invocation: Invocation,
    *,
    devices: tuple[str, ...],
    apk: Path | None,
    output: Path,
    runtime: str,
    bundle: Path | None,
) -> None:
    """Put the app on a phone; build it first if there is no APK.

    Versions, signers, Android, processor and memory pages are looked at before anything is sent.
    """
    options = DemoInstallOptions(devices, apk, output, runtime, bundle)
    done = invocation.library.install_demo(options, invocation.steps())
    _print(invocation, done, _installed)
    if bundle is None:
        invocation.remark("Next: shakti-sdk demo run --bundle BUNDLE")


@demo.command("run")
@device_option
@bundle_option("Push this bundle, and open the app on it.")
@command_options
def run(invocation: Invocation, *, devices: tuple[str, ...], bundle: Path | None) -> None:
    """Open the app on a phone, and see whether it stays open."""
    done = invocation.library.run_demo(devices, bundle, invocation.steps())
    _print(invocation, done, _running)


@demo.command("uninstall")
@device_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--pushed-bundles", is_flag=True, help="Also remove the bundles that were pushed.")
@command_options
def uninstall(
    invocation: Invocation, *, devices: tuple[str, ...], yes: bool, pushed_bundles: bool
) -> None:
    """Take the app off a phone: its chats, settings and imported models go too.

    Bundles that were pushed lie outside of the app, and stay.
    """
    if invocation.as_json and not yes:
        raise UsageError("With --json nobody can be asked.", "Add --yes.")
    asked: list[str] = []

    def confirm(serials: Sequence[str]) -> bool:
        asked.extend(serials)
        question = f"Uninstall the demo app from {', '.join(serials)}? {LOST.capitalize()} go too."
        return yes or click.confirm(question, err=True)

    done = invocation.library.uninstall_demo(
        devices, confirm, invocation.steps(), pushed_bundles=pushed_bundles
    )
    if asked and not done:
        raise Interrupted("Nothing was uninstalled.")
    _print(invocation, done, _uninstalled)


def _print(invocation: Invocation, done: Sequence[OnPhone], what: Callable[[OnPhone], str]) -> None:
    document = {"phones": [_document(one) for one in done]}
    lines = []
    for one in done:
        said = f"failed: {one.error.message}" if one.error else what(one)
        lines.append(f"{one.serial}: {said}")
        lines += [f"  note: {warning}" for warning in one.warnings]
    text = "\n".join(lines)
    failed = [(one.serial, one.error) for one in done if one.error is not None]
    if failed:
        invocation.failed(document, text, failure_of(failed, len(done), KEPT))
    invocation.result(document, text)


def _installed(one: OnPhone) -> str:
    was = f" (was {one.before})" if one.before and one.before != one.version else ""
    return f"installed {one.version}{was}" + _open_on(one)


def _running(one: OnPhone) -> str:
    return f"version {one.version}" + _open_on(one)


def _open_on(one: OnPhone) -> str:
    if one.pid is None:
        return ""
    return f", open on {one.bundle}" if one.bundle else ", open"


def _uninstalled(one: OnPhone) -> str:
    return f"uninstalled {one.before}" if one.before else "the demo app was not there"


def _document(one: OnPhone) -> dict[str, object]:
    return {
        "serial": one.serial,
        "version": one.version or None,
        "version_before": one.before or None,
        "bundle": one.bundle or None,
        "pid": one.pid,
        "warnings": list(one.warnings),
        "error": None if one.error is None else describe(one.error).document(),
    }
