"""The conformance suite for adapters: does one answer like the bare exchange?

    from portico.testing import check_adapter
    check_adapter(make_client)

*make_client* is given a policy, what the application is to answer, and what answers the policy's
questions; it returns a function that puts one request to an application behind the adapter, and
gives the answer with its record.
"""

from portico.testing.checking import AdapterError, Client, Gap, MakeClient, check_adapter
from portico.testing.comparison import Difference
from portico.testing.requests import Answer, Application, Find, Request

__all__ = [
    "AdapterError",
    "Answer",
    "Application",
    "Client",
    "Difference",
    "Find",
    "Gap",
    "MakeClient",
    "Request",
    "check_adapter",
]
