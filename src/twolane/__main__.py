"""`python -m twolane`: the `twolane` command."""

from __future__ import annotations

from twolane.cli import main

if __name__ == "__main__":
    main()
