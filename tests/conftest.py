"""What every test shares: the profiles of hypothesis.

``just test`` runs each property with a hundred examples, ``just fuzz`` with fifty times as many.
No deadline: the same examples run on machines of every speed, and time is measured in bench/.
"""

from hypothesis import HealthCheck, settings

settings.register_profile("test", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", settings.get_profile("test"), max_examples=5000)
settings.load_profile("test")
