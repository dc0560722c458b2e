"""The background lane (stub until the FastAPI door lands)."""
