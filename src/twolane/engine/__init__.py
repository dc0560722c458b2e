"""Floor 2: what twolane does. Knows the contracts, no backend and no framework."""
