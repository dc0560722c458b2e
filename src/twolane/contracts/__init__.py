"""Floor 1: what the engine asks of a backend. Protocols whose docstrings are the laws; tests/contract holds them."""
