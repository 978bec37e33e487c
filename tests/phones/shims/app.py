"""The app's process on a stand-in phone: runs the reference worker, or the app's own code on a JVM,
and what goes wrong with it.

usage: python -m tests.phones.shims.app PLAN
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.phones.shims.state import (
    PACKAGE,
    RESULTS_DIR,
    Fault,
    InstalledApp,
    PhoneFolder,
    hosted,
    log_line,
)


def main() -> int:
    phone = PhoneFolder.of_this_phone()
    plan_file = Path(sys.argv[1])
    output = Path(RESULTS_DIR) / output_name(plan_file)
    worker = _start(phone, plan_file)
    assert worker.stdout is not None
    crashed = False
    with (phone.app / "progress").open("a", encoding="utf-8") as progress:
        for line in worker.stdout:
            for fault in _due(phone, int(line.split("\t")[0])):
                _happen(phone, fault, worker, output)
                crashed = crashed or fault.do == "crash"
            if crashed:
                break
            progress.write(line)
            progress.flush()
    code = worker.wait()
    phone.keep_outputs()
    if crashed:
        os.kill(os.getpid(), signal.SIGKILL)
    if not _installed(phone).process:  # the app's own code has said how it ended
        _end(phone, output, code)
    return 0


def output_name(plan_file: Path) -> str:
    """The file that the plan's round is written to."""
    try:
        plan = json.loads(plan_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "no-plan.jsonl"
    return f"{plan['run_id']}-r{plan['round']}-a{plan['attempt']}.jsonl"


def _installed(phone: PhoneFolder) -> InstalledApp:
    app = phone.read().app
    assert app is not None, "it runs, so it is there"
    return app


def _start(phone: PhoneFolder, plan_file: Path) -> subprocess.Popen[str]:
    app = _installed(phone)
    command = (
        hosted(phone, app, "action", "run", "plan", str(plan_file))
        if app.process
        else _worker(phone, plan_file)
    )
    with (phone.app / "stderr.log").open("w") as errors:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd="/")


def _worker(phone: PhoneFolder, plan_file: Path) -> list[str]:
    """The command of the reference worker; its files are made ready."""
    spec = phone.app / "artificial.json"
    spec.write_text(json.dumps(phone.read().engine), encoding="utf-8")
    phone.write(phone.read())  # the conditions of now
    try:
        Path(RESULTS_DIR).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        phone.log(log_line("E", "ShaktiBench", str(error), os.getpid()))
    return [
        sys.executable, "-m", "sdk_builder.benchmark.worker",
        "--plan", str(plan_file), "--output-dir", RESULTS_DIR,
        "--engine", "artificial", "--artificial", str(spec),
        "--conditions-file", str(phone.app / "conditions.json"),
    ]  # fmt: skip


def _due(phone: PhoneFolder, done: int) -> list[Fault]:
    """The faults whose time has come."""
    if not any(fault.at_case <= done for fault in phone.read().faults):
        return []
    with phone.changed() as state:
        due = [fault for fault in state.faults if fault.at_case <= done]
        for fault in due:
            fault.times -= 1
        state.faults = [fault for fault in state.faults if fault.times > 0]
    return due


def _happen(phone: PhoneFolder, fault: Fault, worker: subprocess.Popen[str], output: Path) -> None:
    if fault.do == "garbage":
        with output.open("ab") as file:
            file.write(b'\xff\xfe no record \x00 {"type": "sample", \n')
    elif fault.do == "heat":
        with phone.changed() as state:
            state.hot_status, state.hot_until = fault.status, time.time() + fault.seconds
    elif fault.do == "stall":
        worker.send_signal(signal.SIGSTOP)
    elif fault.do == "crash":
        worker.kill()
        worker.wait()
        if fault.cut_bytes:
            os.truncate(output, output.stat().st_size - fault.cut_bytes)
        pid = os.getpid()
        phone.log(
            log_line("E", "AndroidRuntime", "FATAL EXCEPTION: bench", pid),
            log_line("E", "AndroidRuntime", f"Process: {PACKAGE}, PID: {pid}", pid),
            log_line("E", "AndroidRuntime", "java.lang.RuntimeException: scripted crash", pid),
        )
    else:
        raise ValueError(f"no such fault: {fault.do}")


def _end(phone: PhoneFolder, output: Path, code: int) -> None:
    said = {"shakti_status": "failed", "shakti_message": ""}
    if code == 0 and output.is_file():
        last = json.loads(output.read_bytes().splitlines()[-1])
        said = {"shakti_status": last["status"], "shakti_message": last["message"]}
    elif code:
        errors = (phone.app / "stderr.log").read_text(encoding="utf-8").strip().splitlines()
        said["shakti_message"] = " ".join(errors) or f"the worker ended with {code}"
    phone.ended_file.write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
