from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.authority import Authority
from tests.support.fake_campaign import no_noise
from tests.support.fake_host import FakeHost, make

# A busy host makes no property wrong.
settings.register_profile("tare", deadline=None)
settings.load_profile("tare")


@pytest.fixture
def still_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """See tests.support.fake_campaign.no_noise."""
    no_noise(monkeypatch)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """See tests.support.authority."""
    return Authority.made(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """See tests.support.fake_host."""
    return make(tmp_path, monkeypatch)
