"""A program that talks as llama-bench does, for machines without it.

Its lines have the form of a real one's (llama.cpp of 2026, `-o jsonl`); what a token takes is
made up: 2 ms for a prompt's and 10 ms for a generated one, so that tests know the answer.
The file `mode` beside it chooses what goes wrong.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

HELP = """usage: llama-bench [options]

options:
  -h, --help
  -r, --repetitions <n>                       number of times to repeat each test (default: 5)
  -o, --output <csv|json|jsonl|md|sql>        output format printed to stdout (default: md)
test parameters:
  -m, --model <filename>                            (default: models/7B/ggml-model-q4_0.gguf)
  -p, --n-prompt <n>                                (default: 512)
  -n, --n-gen <n>                                   (default: 128)
  -d, --n-depth <n>                                 (default: 0)
  -t, --threads <n>                                 (default: 2)
"""
PROMPT_TOKEN_NS, GENERATED_TOKEN_NS = 2_000_000, 10_000_000


def install(folder: Path, mode: str = "") -> Path:
    """Put the program into `folder`; its path."""
    program = folder / "llama bench; #1"  # a name that no shell must see
    source = Path(__file__).read_text(encoding="utf-8")
    program.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (folder / "mode").write_text(mode, encoding="utf-8")
    return program


def row(options: dict[str, str]) -> dict[str, object]:
    prompt, generated = int(options["-p"]), int(options["-n"])
    nanoseconds = prompt * PROMPT_TOKEN_NS + generated * GENERATED_TOKEN_NS
    return {
        "build_commit": "9c1f2e3",
        "build_number": 6123,
        "cpu_info": "AMD EPYC",
        "gpu_info": "",
        "backends": "CPU",
        "model_filename": options["-m"],
        "model_type": "llama 256M Q4_K - Medium",
        "model_size": 96576768,
        "model_n_params": 134515008,
        "n_batch": 2048,
        "n_ubatch": 512,
        "n_threads": int(options.get("-t", "2")),
        "type_k": "f16",
        "n_gpu_layers": int(options["-ngl"]),
        "flash_attn": -1,
        "n_prompt": prompt,
        "n_gen": generated,
        "n_depth": int(options["-d"]),
        "test_time": "2026-11-24T03:37:14Z",
        "avg_ns": nanoseconds,
        "stddev_ns": 0,
        "avg_ts": (prompt + generated) / (nanoseconds / 1e9),
        "samples_ns": [nanoseconds] * int(options["-r"]),
        "samples_ts": [169.708],
    }


def main(arguments: list[str]) -> int:
    mode = (Path(__file__).parent / "mode").read_text(encoding="utf-8")
    write, complain = sys.stdout.write, sys.stderr.write
    if arguments == ["--help"]:
        text = {"stranger": "usage: cat [FILE]\n", "old": HELP.replace("--n-depth", "--gone")}
        write(text.get(mode, HELP))
        return 0
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    answer = row(options)
    if mode == "unloadable":
        complain(f"llama_bench: error: failed to load model '{options['-m']}'\n")
        return 1
    if mode == "crash-on-decode" and answer["n_gen"]:
        os.abort()
    if mode == "garbage":
        write('{"build_commit": "9c1f2e3", "n_prompt": "many"}\n')
        return 0
    if mode == "silent":
        return 0
    if mode == "other-shape" and answer["n_prompt"] != 1:
        answer["n_depth"] = 77
    write("ggml_backend: loaded\n" if mode == "chatty" else "")
    write(json.dumps(answer) + ("" if mode == "chatty" else "\n"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
