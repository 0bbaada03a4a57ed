"""The least Quart application, for the `hypercorn` command."""

from quart import Quart

app = Quart(__name__)


@app.get("/v1/health/")
async def health() -> dict[str, str]:
    """Answer as the full server does."""
    return {"version": "0.1.0", "status": "ok"}
