"""Floor 3: implementations of the contracts. None knows the engine or another backend."""
