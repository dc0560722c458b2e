"""Floor 0: immutable values that every other floor speaks in.

Standard library only; no input or output, no clock, no randomness.
"""
