"""The thin Trio host: connections, workers and their supervisor, for any ASGI application."""
