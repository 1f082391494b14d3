"""musictk: steerable symbolic music generation on your own files.

Importing the package is free: no room is loaded until it is used.
"""

import os

__version__ = "0.2.0"

# ONNX Runtime (1.29 and later, Linux and macOS) sends usage data to its maker some seconds after it
# is imported, and keeps a device id in the user's cache. Nothing but this variable stops it, and
# only before the import; here it comes before every import, in worker processes too.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
