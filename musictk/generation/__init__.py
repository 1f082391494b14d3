"""Sampling, guidance, form, memory and infill: numpy on a Runtime, free of torch and of SQL."""

from musictk.generation.sampler import Sampler

__all__ = ["Sampler"]
