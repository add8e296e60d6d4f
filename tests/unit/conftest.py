"""Properties are tried with the same examples in every run; HYPOTHESIS_PROFILE=search looks for new ones."""

from __future__ import annotations

import os

from hypothesis import settings

# A counterexample that shows once in a thousand runs belongs into a search and then into a test, not into somebody's merge.
settings.register_profile("same", derandomize=True)
settings.register_profile("search", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
