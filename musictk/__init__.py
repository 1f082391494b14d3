"""musictk: steerable symbolic music generation on your own files.

Importing the package is free: no room is loaded until it is used.
"""

__version__ = "0.1.0"
