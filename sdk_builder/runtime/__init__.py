"""Running a bundle on this machine."""

from sdk_builder.runtime.chat import Chat
from sdk_builder.runtime.engine import Engine, ExecutorchEngine, ScriptedEngine
from sdk_builder.runtime.sampling import GenerationOptions
from sdk_builder.runtime.session import Session
from sdk_builder.runtime.stats import GenerationStats

__all__ = [
    "Chat",
    "Engine",
    "ExecutorchEngine",
    "GenerationOptions",
    "GenerationStats",
    "ScriptedEngine",
    "Session",
]
