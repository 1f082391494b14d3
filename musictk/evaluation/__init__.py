"""Evaluate models and generated music: likelihood, features, form and originality."""
