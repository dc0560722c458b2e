"""The `twolane` command."""
