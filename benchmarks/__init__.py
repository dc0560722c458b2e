"""How fast twolane is, beside bare sketches and peers: `make bench`, or `python -m benchmarks [--quick] [names]`."""
