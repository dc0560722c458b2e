"""The one error of the demo: it could not be played to its end."""


class DemoFailed(Exception):
    """Something did not come up or did not happen in time; the text says what, with the ends of the logs."""
