"""The conformance suite for adapters: does one answer like the bare exchange?

    from portico.testing import check_adapter
    check_adapter(make_client)

*make_client* is given a policy and what the application is to answer; it returns a function that
puts one request to an application behind the adapter, and gives the answer with its record.
"""

from portico.testing.checking import (
    AdapterError,
    Answer,
    Application,
    Client,
    Difference,
    Gap,
    MakeClient,
    Request,
    check_adapter,
)

__all__ = [
    "AdapterError",
    "Answer",
    "Application",
    "Client",
    "Difference",
    "Gap",
    "MakeClient",
    "Request",
    "check_adapter",
]
