from __future__ import annotations

import pytest

from sdk_builder.app import download


@pytest.fixture(autouse=True)
def machine_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """A cache, a network and an environment without anything of this machine's."""
    for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT", "JAVA_HOME", "SHAKTI_MAVEN_REPOSITORIES"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SHAKTI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "PAUSE_S", 0.001)
