"""Checks of the contracts ("laws") of plugins, to be called by the tests of a plugin."""
