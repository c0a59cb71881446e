from __future__ import annotations

import pytest

from harness.host.facts import HostFacts
from tests.support import host_facts


@pytest.fixture
def ready_facts() -> HostFacts:
    """A host that has everything."""
    return host_facts.ready_facts()
