"""Property tests: the same examples everywhere (`ci`, built in), or new ones (`make prove`)."""

from hypothesis import settings

settings.register_profile("fresh", deadline=None)
