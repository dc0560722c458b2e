from __future__ import annotations

from hypothesis import settings

settings.register_profile("twolane", deadline=None)  # two shared cores: the time of one example says nothing
settings.load_profile("twolane")
