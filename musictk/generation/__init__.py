"""Sampling, guidance, form and memory: numpy on a Runtime, free of torch and of SQL."""

from musictk.generation.sampler import Sampler

__all__ = ["Sampler"]
