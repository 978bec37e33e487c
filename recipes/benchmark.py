"""The benchmark, spelled out: bundle -> plan -> rounds on a target -> result file -> figures.

    python recipes/benchmark.py recipes/configs/benchmark/host-quick.yaml BUNDLE [-o FOLDER]

`shakti-sdk bench` does the same on several phones at once, and on this machine; this is the place
to read, copy and change.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from sdk_builder.benchmark.analysis.summary import case_rows
from sdk_builder.benchmark.plans import make_plan
from sdk_builder.benchmark.results import read_results
from sdk_builder.benchmark.runner import run_benchmark
from sdk_builder.benchmark.subject import subject_of
from sdk_builder.benchmark.target import Target
from sdk_builder.benchmark.targets.host import HostTarget
from sdk_builder.benchmark.targets.phone import PhoneTarget
from sdk_builder.bundle import Bundle
from sdk_builder.device.adb_server import ServerAdb
from sdk_builder.device.discovery import choose
from sdk_builder.log import Steps


def target_of(device: str, output: Path, steps: Steps) -> Target:
    if device == "host":
        return HostTarget.beside(output)
    (phone,) = choose(ServerAdb(), [device] if device else []).phones
    return PhoneTarget(phone, steps)


def benchmark(bundle: Bundle, target: Target, settings: dict, output: Path, steps: Steps) -> None:
    plan, notes = make_plan(bundle.manifest.program.context_length, **settings)
    for note in notes:
        steps.warn(note)
    run_benchmark(target, subject_of(bundle), plan, output, steps)
    for row in case_rows(read_results(output)):
        print(f"{row.case}: {row.median:.1f} {row.unit} ({row.samples} samples)")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a bundle as a config says.")
    parser.add_argument("config", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("bench"))
    options = parser.parse_args()
    settings = yaml.safe_load(options.config.read_text(encoding="utf-8"))
    device = settings.pop("device")
    output = options.output / f"{options.config.stem}.jsonl"
    output.parent.mkdir(parents=True, exist_ok=True)
    steps = Steps()
    with Bundle.open(options.bundle) as bundle:
        benchmark(bundle, target_of(device, output, steps), settings, output, steps)
    print(f"Next: shakti-sdk report {options.output}")


if __name__ == "__main__":
    main()
