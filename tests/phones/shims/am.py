"""`am` of a stand-in phone: starts the app and prints what Android prints about it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.phones.shims.state import (
    INSTRUMENTATION,
    MAIN_ACTIVITY,
    PACKAGE,
    RESULTS_DIR,
    InstalledApp,
    PhoneFolder,
    State,
    hosted,
    log_line,
)

POLL_S = 0.02


def am(phone: PhoneFolder, arguments: list[str]) -> int:
    """Do what `am` was asked for; its exit code."""
    command, *rest = arguments or [""]
    if command == "force-stop":
        if rest == [PACKAGE]:
            stop_app(phone)
        return 0
    if command == "start":
        return _start(phone, rest)
    if command == "instrument":
        return _instrument(phone, rest)
    sys.stderr.write(f"Unknown command: {command}\n")
    return 255


def app_pid(phone: PhoneFolder) -> int | None:
    """The app's process, where it runs."""
    try:
        pid = int((phone.app / "pid").read_text())
        status = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, ValueError):
        return None
    return None if status.rpartition(")")[2].split()[0] == "Z" else pid


def stop_app(phone: PhoneFolder) -> None:
    """Kill the app, as Android does: at once, with everything it started."""
    pid = app_pid(phone)
    if pid is None:
        return
    os.killpg(pid, signal.SIGKILL)
    while app_pid(phone) is not None:
        time.sleep(POLL_S / 10)
    phone.keep_outputs()


def _start(phone: PhoneFolder, arguments: list[str]) -> int:
    component = arguments[arguments.index("-n") + 1] if "-n" in arguments else ""
    extras = " (has extras)" if "-e" in arguments else ""
    _say(f"Starting: Intent {{ cmp={component}{extras} }}")
    app = phone.read().app
    if app is None or component != MAIN_ACTIVITY:
        _say("Error type 3", f"Error: Activity class {{{component}}} does not exist.")
        return 1
    if app_pid(phone) is None:
        _open(phone, app)
    return 0


def _open(phone: PhoneFolder, app: InstalledApp) -> None:
    """Start a process that only is there, or that crashes after a moment."""
    process = subprocess.Popen(
        ["sleep", "0.3" if app.crash else "600"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    pid = process.pid
    (phone.app / "pid").write_text(str(pid))
    phone.log(log_line("I", "ActivityManager", f"Start proc {pid}:{PACKAGE}/u0a271 for top", 900))
    if app.crash:
        phone.log(
            log_line("E", "AndroidRuntime", "FATAL EXCEPTION: main", pid),
            log_line("E", "AndroidRuntime", f"Process: {PACKAGE}, PID: {pid}", pid),
            log_line("E", "AndroidRuntime", app.crash, pid),
        )


def _instrument(phone: PhoneFolder, arguments: list[str]) -> int:
    extras: dict[str, str] = {}
    component = ""
    words = iter(arguments)
    for word in words:
        if word == "-e":
            key = next(words)
            extras[key] = next(words)
        elif not word.startswith("-"):
            component = word
    state = phone.read()
    if state.app is None or not state.app.instrumented or component != INSTRUMENTATION:
        return _unknown(component)
    stop_app(phone)  # an instrumentation begins with a new process
    if extras.get("action") == "describe":
        return _describe(phone, state.app)
    if extras.get("action") == "run" and "plan" in extras:
        return _run(phone, state, Path(extras["plan"]))
    _result("shakti_status", "failed")
    _result("shakti_message", "action must be describe or run")
    return _code(-1)


def _unknown(component: str) -> int:
    package, _, name = component.partition("/")
    info = f"ComponentInfo{{{package}/{package + name if name.startswith('.') else name}}}"
    _say(
        "INSTRUMENTATION_STATUS: id=ActivityManagerService",
        f"INSTRUMENTATION_STATUS: Error=Unable to find instrumentation info for: {info}",
        "INSTRUMENTATION_STATUS_CODE: -1",
    )
    sys.stderr.write(
        f"android.util.AndroidException: INSTRUMENTATION_FAILED: {component}\n"
        "\tat com.android.commands.am.Instrument.run(Instrument.java:543)\n"
    )
    return 1


def _describe(phone: PhoneFolder, app: InstalledApp) -> int:
    if app.process:
        phone.ended_file.unlink(missing_ok=True)
        subprocess.run(
            hosted(phone, app, "action", "describe"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return _report(phone)
    _result("shakti_protocol", app.protocol)
    _result("shakti_app_version", app.version)
    _result("shakti_runtime", "executorch")
    _result("shakti_runtime_version", app.runtime_version)
    _result("shakti_threads_settable", str(app.threads_settable).lower())
    _result("shakti_results_dir", RESULTS_DIR)
    return _code(-1)


def _run(phone: PhoneFolder, state: State, plan: Path) -> int:
    (phone.app / "progress").write_text("")
    phone.ended_file.unlink(missing_ok=True)
    app = subprocess.Popen(
        [sys.executable, "-m", "tests.phones.shims.app", str(plan)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # it belongs to the system, not to adb's shell
    )
    (phone.app / "pid").write_text(str(app.pid))
    try:
        with (phone.app / "progress").open(encoding="utf-8") as progress:
            running = True
            while running:
                running = app.poll() is None
                _tell(progress.read())
                time.sleep(POLL_S if running else 0)
        return _report(phone)
    except BrokenPipeError:  # adb has hung up
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # for what is still to be flushed
        if not state.app_outlives_shell:
            stop_app(phone)
        return 1


def _tell(lines: str) -> None:
    for line in lines.splitlines():
        done, total, case = line.split("\t")
        _say(
            f"INSTRUMENTATION_STATUS: shakti_done={done}",
            f"INSTRUMENTATION_STATUS: shakti_total={total}",
            f"INSTRUMENTATION_STATUS: shakti_now={case}",
            "INSTRUMENTATION_STATUS_CODE: 0",
        )


def _report(phone: PhoneFolder) -> int:
    if not phone.ended_file.is_file():  # killed before it could say anything
        _say("INSTRUMENTATION_RESULT: shortMsg=Process crashed.")
        return _code(0)
    said: dict[str, str] = json.loads(phone.ended_file.read_text(encoding="utf-8"))
    for key, value in sorted(said.items()):
        if value:
            _result(key, value)
    return _code(-1)


def _result(key: str, value: str) -> None:
    _say(f"INSTRUMENTATION_RESULT: {key}={value}")


def _code(code: int) -> int:
    """am says 0 to the shell even where the app crashed."""
    return _say(f"INSTRUMENTATION_CODE: {code}")


def _say(*lines: str) -> int:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()
    return 0
