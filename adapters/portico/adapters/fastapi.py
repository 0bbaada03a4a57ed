"""FastAPI behind the policy: what Starlette's file says, for FastAPI routes as Starlette does.

served = protect(FastAPI(), policy)
"""

from portico.adapters.starlette import protect

__all__ = ["protect"]
