"""trl's trainers without what they do on the side: they report each use to their maker over the
network, and put a README of their own into every checkpoint. Nothing leaves this machine."""

from __future__ import annotations

from typing import Any

from sdk_builder.rows.needs import package


class _Quiet:
    def _send_telemetry(self) -> None:
        pass

    def create_model_card(self, *_: Any, **__: Any) -> None:
        pass


def trainer_class(name: str, *further: type) -> Any:
    """trl's class `name`; the classes `further` come before it. Raises MissingPackageError."""
    trl = package("trl", "This stage")
    return type(name, (*further, _Quiet, getattr(trl, name)), {})


def config_class(name: str) -> Any:
    """trl's class of arguments. Raises MissingPackageError."""
    return getattr(package("trl", "This stage"), name)
