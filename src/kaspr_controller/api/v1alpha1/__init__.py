"""Version v1alpha1 of kaspr.io, the only one served and stored."""
