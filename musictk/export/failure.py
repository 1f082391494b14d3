"""Why an architecture cannot be exported, in one line: torch's exporters write pages about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import torch
from torch import nn

_OPERATION = re.compile(r"op='([\w.]+)'|target=torch\.ops\.([\w.]+)")
_SCRIPT_LINE = re.compile(r'File "([^"]+)", line (\d+)')
_CONFLICT = "tracing inferred a static shape"
_DATA_DEPENDENT = ("data-dependent", "DataDependent")
_MISSING = ("No ONNX function", "Missing ONNX", "UnsupportedOperator")
_TORCH = Path(torch.__file__).parent


def explain(error: BaseException, network: nn.Module) -> str:
    """The cause of a failed export: the operation or the error, then the module and the line."""
    causes = list(_causes(error))
    place = next(filter(None, (_place(each, network) for each in reversed(causes))), "")
    place = place or next(filter(None, map(_script_line, map(str, causes))), "")
    return f"{_reason(causes)} {place}".rstrip()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it; the first cause is last."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(causes: list[BaseException]) -> str:
    texts = [str(each) for each in causes]
    for text in texts:
        operation = _OPERATION.search(text)
        if operation and any(mark in text for mark in _MISSING):
            return f"it has no form of the operation {operation[1] or operation[2]}"
    if any(_CONFLICT in text for text in texts):
        return "its forward works for a fixed number of positions only, such as by a Python loop"
    kinds = [type(each).__name__ for each in causes]
    if any(mark in text for mark in _DATA_DEPENDENT for text in (*texts, *kinds)):
        return "a branch or a size depends on values in a tensor"
    first = next((line.strip() for line in texts[-1].splitlines() if line.strip()), "")
    kind = kinds[-1]
    return f"{kind}: {first.rstrip(' :')[:200]}" if first else kind


def _place(error: BaseException, network: nn.Module) -> str:
    """The innermost frame of a module's own code: "in body.blocks.1 (my_plugin.py:18)"."""
    names = {id(module): name for name, module in network.named_modules()}
    found, trace = "", error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if module := _module(frame, names):
            file = Path(frame.f_code.co_filename).name
            found = f"in {module} ({file}:{trace.tb_lineno})"
        elif stack := getattr(frame.f_locals.get("node"), "meta", {}).get("nn_module_stack"):
            found = _of_node(list(stack.values())[-1][0], frame.f_locals["node"])
        trace = trace.tb_next
    return found


def _module(frame: FrameType, names: dict[int, str]) -> str | None:
    """The path of the module whose code runs in a frame, unless it is torch's."""
    if _TORCH in Path(frame.f_code.co_filename).parents:
        return None
    return names.get(id(frame.f_locals.get("self"))) or None


def _of_node(module: str, node: object) -> str:
    """The module and the line of a node in an exported graph."""
    stack = getattr(node, "meta", {}).get("stack_trace") or ""
    lines = [
        f"{Path(file).name}:{line}"
        for file, line in _SCRIPT_LINE.findall(stack)
        if _TORCH not in Path(file).parents
    ]
    name = module.removeprefix("L['self'].").removeprefix("network.")
    return f"in {name} ({lines[-1]})" if lines else f"in {name}"


def _script_line(text: str) -> str:
    """The first line of code that TorchScript names in its error."""
    found = _SCRIPT_LINE.search(text)
    return f"({Path(found[1]).name}:{found[2]})" if found else ""
