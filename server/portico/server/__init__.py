"""The product: application, host, command line."""
