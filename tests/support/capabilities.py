"""What a campaign that begins now records of the registered targets and proxies."""

from __future__ import annotations

from harness.proxies import registry as proxies
from harness.records.capabilities import Capabilities
from harness.targets import registry as targets

REGISTERED = Capabilities(targets.capabilities(), proxies.capabilities())
