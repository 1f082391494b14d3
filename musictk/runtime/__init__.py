"""Run a bundle with torch, TorchScript or ONNX Runtime, behind one small protocol."""

from musictk.runtime.contract import Runtime, Session

__all__ = ["Runtime", "Session"]
