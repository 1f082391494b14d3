"""musictk: steerable symbolic music generation on your own files.

Importing the package loads none of its sub-packages.
"""

import os

__version__ = "0.2.0"

# ONNX Runtime (1.29 and later, Linux and macOS) sends usage data to its vendor seconds after its
# import, and stores a device id in the user's cache. Only this variable, set before the import,
# disables that. Set here, it precedes every import, in worker processes too.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
