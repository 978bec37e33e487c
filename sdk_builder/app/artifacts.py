"""Maven artifacts by their coordinates, each held to the SHA-256 of the lock file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdk_builder.app.catalog import Artifact, Coordinate
from sdk_builder.app.download import (
    NotThereError,
    Open,
    Progress,
    Wanted,
    download,
    open_url,
    sha256_of,
)
from sdk_builder.app.keep import alone, is_intact
from sdk_builder.errors import (
    ArtifactMissingError,
    NetworkError,
    TamperedArtifactError,
    output_errors,
)
from sdk_builder.log import Step

REPOSITORIES_VARIABLE = "SHAKTI_MAVEN_REPOSITORIES"
# On the open internet these are in Google's Maven repository and nowhere else.
GOOGLES = ("com.android.", "androidx.", "com.google.android")


def repositories_from_environment() -> tuple[str, ...]:
    """The addresses in SHAKTI_MAVEN_REPOSITORIES, which spaces or commas separate."""
    return tuple(os.environ.get(REPOSITORIES_VARIABLE, "").replace(",", " ").split())


def default_address(coordinate: Coordinate) -> str:
    """Where Maven's default repository has a file."""
    from maven_artifact import Artifact as MavenArtifact
    from maven_artifact import Downloader

    wanted = MavenArtifact(
        coordinate.group, coordinate.name, coordinate.version, None, coordinate.extension
    )
    return str(Downloader().resolver.uri_for_artifact(wanted))


def addresses(coordinate: Coordinate, repositories: Sequence[str]) -> list[str]:
    """Where a file may be, in the order of asking: the given repositories, then the default."""
    default = default_address(coordinate)
    path = f"{coordinate.group.replace('.', '/')}/{coordinate.name}/{coordinate.version}"
    given = [f"{base.rstrip('/')}/{path}/{coordinate.filename}" for base in repositories]
    return list(dict.fromkeys([*given, default]))


@dataclass(frozen=True)
class ArtifactStore:
    """Artifacts in `folder`, brought there when they are first needed.

    offline: nothing is downloaded, what is missing is an error.
    """

    folder: Path
    repositories: tuple[str, ...] = ()
    offline: bool = False
    opener: Open = open_url

    def path(self, coordinate: Coordinate) -> Path:
        """Where a file is kept, be it there or not."""
        return self.folder / coordinate.group / coordinate.name / coordinate.filename

    def is_cached(self, artifact: Artifact) -> bool:
        """Whether a file is there and right."""
        sha256 = artifact.sha256 or self._recorded(artifact.coordinate)
        return sha256 is not None and is_intact(self.path(artifact.coordinate), sha256)

    def unpinned(self, artifact: Artifact) -> str:
        """A sentence about a file that the lock cannot name; empty where it does."""
        if artifact.sha256 is not None:
            return ""
        return (
            f"{artifact.coordinate} is not pinned by this version of shakti-sdk: what came first, "
            f"with the SHA-256 {self._recorded(artifact.coordinate)}, is what later builds want"
        )

    def bring(self, artifacts: Iterable[Artifact], step: Step) -> list[Path]:
        """The paths of the files, downloaded where they are missing.

        Raises ArtifactMissingError, NetworkError, TamperedArtifactError, OutputError.
        """
        wanted = list(artifacts)
        missing = [one for one in wanted if not self.is_cached(one)]
        total = sum(one.size_bytes or 0 for one in missing)
        before = 0
        for one in missing:
            step.say(one.coordinate.filename)
            self._fetch(one, _offset(step, before, total))
            before += one.size_bytes or 0
        return [self.path(one.coordinate) for one in wanted]

    def _fetch(self, artifact: Artifact, progress: Progress) -> None:
        coordinate = artifact.coordinate
        target = self.path(coordinate)
        with alone(target):
            if self.is_cached(artifact):  # another process brought it meanwhile
                return
            if self.offline:
                raise NetworkError(
                    f"{coordinate} is not in the cache, and nothing may be downloaded.",
                    "Build once with a connection, without --offline.",
                )
            expected = artifact.sha256 or self._recorded(coordinate)
            for address in addresses(coordinate, self.repositories):
                wanted = Wanted(coordinate.filename, address, expected, artifact.size_bytes)
                try:
                    found = download(wanted, target, progress, opener=self.opener)
                except NotThereError:
                    continue
                self._record(artifact, found)
                return
        raise _missing(coordinate, self.repositories)

    def _record(self, artifact: Artifact, sha256: str) -> None:
        """Remember the SHA-256 of a file that the lock could not name: it must not change."""
        if artifact.sha256 is None:
            path = self._record_path(artifact.coordinate)
            with output_errors(path):
                path.write_text(json.dumps({"sha256": sha256}) + "\n", encoding="utf-8")

    def _recorded(self, coordinate: Coordinate) -> str | None:
        try:
            return str(json.loads(self._record_path(coordinate).read_text("utf-8"))["sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _record_path(self, coordinate: Coordinate) -> Path:
        path = self.path(coordinate)
        return path.with_name(f"{path.name}.first-seen.json")


def _offset(step: Step, before: int, total: int) -> Progress:
    def progress(done: int, size: int | None) -> None:
        step.progress(before + done, total or size or 0)

    return progress


def _missing(coordinate: Coordinate, repositories: Sequence[str]) -> ArtifactMissingError:
    asked = (
        f"Maven's default repository and {len(repositories)} more"
        if repositories
        else ("Maven's default repository")
    )
    message = f"{coordinate} was not found in {asked}."
    if coordinate.group.startswith(GOOGLES):
        hint = (
            f"It is in Google's Maven repository: give the address that Gradle calls google() in "
            f"{REPOSITORIES_VARIABLE} or --repository, or set ANDROID_HOME to an Android SDK, "
            "whose build-tools have the same tool."
        )
    else:
        hint = f"Give a repository that has it in {REPOSITORIES_VARIABLE} or --repository."
    return ArtifactMissingError(message, hint)


def require_sha256(path: Path, expected: str, what: str) -> None:
    """Raises TamperedArtifactError where a file is another one."""
    found = sha256_of(path)
    if found != expected:
        raise TamperedArtifactError(
            f"{what} has the SHA-256 {found}, not the expected {expected}.",
            "The registry or the connection altered it; nothing was kept.",
        )
