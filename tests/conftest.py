"""What all tests share: how many examples Hypothesis draws. `--hypothesis-profile=deep` draws ten times more."""
from hypothesis import settings

settings.register_profile("default", max_examples=20, deadline=None)
settings.register_profile("deep", max_examples=200, deadline=None)
settings.load_profile("default")  # the plugin's option, where it is given, is read after this line
