"""Quantization-aware training: a float model teaches the program that it will be."""

from sdk_builder.training.qat.stage import count_steps, extras, finish, make_trainer, work

__all__ = ["count_steps", "extras", "finish", "make_trainer", "work"]
