"""Smaller `model.onnx` files: int8 and half-precision weights. Free of torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from musictk.errors import MusictkError
from musictk.export.graph import CONTRIB, Graph, attribute

SMALL = 4096  # elements; norms, biases and the like keep their precision
BLOCKS = 128, 32  # weights of an output that share a scale: of wide inputs, of narrow ones


def int8(path: Path) -> None:
    """Replace the file by one whose matrix products have int8 weights, scaled by blocks of inputs.

    The activations of each position are quantized in the same blocks as they come, so no
    calibration is needed, and no row depends on another. The file is about 4 times smaller, and
    steps that are bound by memory bandwidth are faster. Other large weights are stored in half
    precision if they were trained or written in it, so that they lose nothing.
    """
    graph = Graph(onnx.load(path))
    fold_transposes(graph)
    quantized = [node for node in list(graph.nodes) if _quantize(graph, node)]
    if not quantized:
        raise MusictkError("nothing in this network could be quantized", "export without --int8")
    model = graph.save()
    _halve(model, lossless=True)
    onnx.save(model, path)


def _quantize(graph: Graph, node: NodeProto) -> bool:
    """Replace a product with a large weight, and the bias added to it, by one node."""
    weight = graph.constant(node.input[1]) if node.op_type == "MatMul" else None
    if weight is None or weight.ndim != 2 or weight.size < SMALL:
        return False
    codes, scales = _blocks(weight.T)
    name, (columns, rows) = node.input[1], weight.shape
    if f"{name}.int8" not in graph.weights:
        graph.add_weight(f"{name}.int8", codes)
        graph.add_weight(f"{name}.scale", scales)
    inputs = [node.input[0], f"{name}.int8", f"{name}.scale"]
    old, added = [node], _added_bias(graph, node)
    if added is not None:
        old.append(added[0])
        inputs += ["", "", added[1]]
    product = helper.make_node(
        "MatMulNBits",
        inputs,
        [old[-1].output[0]],
        domain=CONTRIB,
        K=columns,
        N=rows,
        bits=8,
        block_size=codes.shape[2],
        accuracy_level=4,  # int8 products: several times as fast as dequantized weights
    )
    graph.replace(old, [product])
    return True


def _added_bias(graph: Graph, node: NodeProto) -> tuple[NodeProto, str] | None:
    """The node that alone reads a product and adds a constant vector to it; and the vector."""
    if not graph.sole(node.output[0]):
        return None
    add = graph.readers[node.output[0]][0]
    if add.op_type != "Add":
        return None
    bias = next(name for name in add.input if name != node.output[0])
    value = graph.constant(bias)
    return None if value is None or value.ndim != 1 else (add, bias)


def _blocks(weight: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(N, K) -> codes (N, blocks, size), 128 for 0, and the scale (N, blocks) of each block."""
    rows, columns = weight.shape
    size = BLOCKS[columns < BLOCKS[0]]
    padded = np.pad(weight, [(0, 0), (0, -columns % size)]).reshape(rows, -1, size)
    scale = np.abs(padded).max(2) / 127
    codes = np.rint(padded / np.where(scale > 0, scale, 1)[..., None]) + 128
    return codes.astype(np.uint8), scale.astype(np.float32)


def half(path: Path) -> None:
    """Replace the file by one whose large weights are stored in half precision.

    They are converted when the model is loaded, and it computes in single precision: the file is
    half as large, the speed is the same.
    """
    model = onnx.load(path)
    _halve(model, lossless=False)
    onnx.save(model, path)


def _halve(model: ModelProto, lossless: bool) -> None:
    """Store large weights in half precision; if `lossless`, only those that it can represent."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < SMALL:
            continue
        wide = numpy_helper.to_array(tensor)
        if np.abs(wide).max() > np.finfo(np.float16).max:
            continue
        stored, name = wide.astype(np.float16), tensor.name
        if lossless and not np.array_equal(stored, wide):
            continue
        tensor.CopyFrom(numpy_helper.from_array(stored, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    _prepend(model, casts)


def fold_transposes(graph: Graph) -> None:
    """Replace transposed weights by weights, so that a head tied to the embedding is quantized."""
    for node in list(graph.nodes):
        weight = graph.constant(node.input[0]) if node.op_type == "Transpose" else None
        if weight is not None:
            graph.add_weight(node.output[0], weight.transpose(attribute(node, "perm")))
            graph.replace([node], [])


def _prepend(model: ModelProto, nodes: list[NodeProto]) -> None:
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
