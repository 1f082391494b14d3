"""The laws that every plugin has to keep, as functions that a plugin's own tests call."""
