"""The FastAPI door: the middleware, `Lanes`, the wrapped lifespan."""
