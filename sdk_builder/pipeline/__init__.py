"""The main job: a checkpoint becomes a verified bundle."""

from sdk_builder.pipeline.export import export, run_export
from sdk_builder.pipeline.request import ExportRequest, ExportResult

__all__ = ["ExportRequest", "ExportResult", "export", "run_export"]
