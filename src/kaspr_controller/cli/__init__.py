"""The commands of kaspr-controller, one module each."""
