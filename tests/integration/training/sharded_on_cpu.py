"""Lifts accelerate's gate, which lets FSDP through for accelerators only, and ours before it; then
runs a module as `python -m` would. For two CPU processes, which torch itself shards over gloo.

    torchrun ... sharded_on_cpu.py FOLDER MODULE [ARGUMENT ...]

FOLDER/parts-RANK.json says what the process holds of the model and of the optimizer, at each step.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch import Tensor
from torch.distributed.tensor import DTensor

from sdk_builder.training import run, sharding
from sdk_builder.training.processes import rank
from sdk_builder.training.watch import Watch


def lift_gates() -> None:
    made = AcceleratorState.__init__

    def make(self: AcceleratorState, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        plugin: FullyShardedDataParallelPlugin | None = kwargs.get("fsdp_plugin")
        if plugin is not None and self.distributed_type == DistributedType.MULTI_CPU:
            if self._mixed_precision != "no":
                plugin.set_mixed_precision(self._mixed_precision)
            self.distributed_type = DistributedType.FSDP
            self.fsdp_plugin = plugin
            PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    AcceleratorState.__init__ = make
    sharding.on_gpus = lambda: True


def held(tensors: list[Tensor]) -> dict[str, int]:
    """Numbers of them all, those that are here, and tensors that are not sharded."""
    return {
        "all": sum(one.numel() for one in tensors),
        "here": sum(sharding.local(one).numel() for one in tensors),
        "whole": sum(not isinstance(one, DTensor) for one in tensors),
    }


def watching(folder: Path) -> type[Watch]:
    class Witness(Watch):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            super().on_step_end(args, state, control, **kwargs)
            averages = [
                value
                for one in kwargs["optimizer"].state.values()
                for name, value in one.items()
                if name in ("exp_avg", "exp_avg_sq")
            ]
            found = {"model": held(list(kwargs["model"].parameters())), "optimizer": held(averages)}
            (folder / f"parts-{rank()}.json").write_text(json.dumps(found))

    return Witness


def main() -> None:
    folder, module, *rest = sys.argv[1:]
    lift_gates()
    setattr(run, "Watch", watching(Path(folder)))  # noqa: B010  (mypy: it is another module's)
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
