"""Fixtures of the pipeline's tests serve here, too."""

from __future__ import annotations

from tests.integration.pipeline.conftest import folder

__all__ = ["folder"]
