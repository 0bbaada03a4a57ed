"""Language models: the built-in one and OpenAI-compatible services, behind one interface."""
