"""What is measured: a bundle, or a peer's model file."""

from __future__ import annotations

from dataclasses import dataclass

from sdk_builder.benchmark.protocol import ProgramCheck
from sdk_builder.benchmark.records import BundleFacts
from sdk_builder.bundle.manifest import Manifest
from sdk_builder.bundle.manifest_file import identity
from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import UsageError

LEAST_SHARE = 0.6  # as sdk_builder.verify asks of the golden answers of a quantized program


@dataclass(frozen=True)
class Subject:
    """`program` is what a target must find; `bundle` is None where the target has its own file."""

    facts: BundleFacts
    program: ProgramCheck
    bundle: Bundle | None

    def require_bundle(self) -> Bundle:
        """The bundle. Raises UsageError where there is none."""
        if self.bundle is None:
            raise UsageError(f"{self.facts.name} is no bundle, and this target measures bundles.")
        return self.bundle


def subject_of(bundle: Bundle) -> Subject:
    """A bundle as what is measured."""
    return Subject(bundle_facts(bundle), program_check(bundle.manifest), bundle)


def program_check(manifest: Manifest) -> ProgramCheck:
    """What must be found where the bundle was brought to."""
    program = manifest.program
    return ProgramCheck(
        file=program.file,
        size_bytes=program.size_bytes,
        sha256=program.sha256,
        thorough=False,
        exact=manifest.quantization.exact,
        least_share=LEAST_SHARE,
    )


def bundle_facts(bundle: Bundle) -> BundleFacts:
    """What a result file says about the bundle."""
    manifest = bundle.manifest
    return BundleFacts(
        name=manifest.name,
        identity=identity(manifest),
        model=manifest.model.source.name,
        family=manifest.model.family,
        parameters=manifest.model.parameters,
        untrained=manifest.model.untrained,
        scheme=manifest.quantization.scheme,
        bits_per_weight=manifest.quantization.bits_per_weight,
        program_sha256=manifest.program.sha256,
        program_size_bytes=manifest.program.size_bytes,
        context_length=manifest.program.context_length,
        perplexity=manifest.quality.perplexity,
    )
