"""The pure policy core: settings, CORS, log context and the request exchange. No I/O."""
