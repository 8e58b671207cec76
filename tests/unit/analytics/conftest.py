"""Laws are about results; how long an example takes depends on who else uses the machine."""

from hypothesis import settings

settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
