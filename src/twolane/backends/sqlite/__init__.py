"""The embedded queue: one SQLite file, one writer thread a process, one lock round every write."""
