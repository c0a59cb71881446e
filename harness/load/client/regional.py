"""A client that may stand in any region: its connections there, and the next entry where the nearest is down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.load.client.connection import Activity, Connection
from harness.load.client.failover import Failover
from harness.load.client.http import ExchangeFailed, Response, encode_request
from harness.load.client.session import Session, Sink


class RegionalSession(Session):
    """As Session, from the region of ``failovers`` whose number ``region`` is.

    It has connections for each region and entry that it was used for. A failed exchange is reported and raised as ever,
    and sends the region's clients to its next entry.
    """

    def __init__(
        self,
        failovers: Sequence[Failover],
        timeout_s: float,
        sink: Sink,
        activity: Activity | None = None,
        region: int = 0,
    ) -> None:
        super().__init__(failovers[region].entries[0], timeout_s, sink, activity)
        self.region = region
        self._failovers = failovers
        self._timeout_s = timeout_s
        self._activity = activity
        self._by_entry: dict[tuple[int, int], tuple[Connection, ...]] = {(region, 0): self.connections}

    def close(self) -> None:
        for connections in self._by_entry.values():
            for connection in connections:
                connection.close()

    def _exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None) -> Response:
        region = self.region
        failover = self._failovers[region]
        entry = failover.entry()
        routing = failover.entries[entry]
        target = routing.target_of(path)
        connections = self._by_entry.get((region, entry))
        if connections is None:
            connections = self._by_entry[region, entry] = routing.connections(self._timeout_s, self._activity)
        encoded = encode_request(method, target.origin + path, target.host, headers, body)
        try:
            return connections[target.connection_index].exchange(encoded, head=method == "HEAD")
        except ExchangeFailed:
            failover.failed(entry)
            raise
