"""Fewer nodes in a step. ONNX Runtime takes about a microsecond for each, whatever it computes.

Each rewrite looks for what the exporter makes of one of our layers, and leaves everything else as
it is. The replay that follows every export compares the result with eager PyTorch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import onnxruntime as ort
from onnx import ModelProto, NodeProto, helper, numpy_helper

from musictk.export.graph import CONTRIB, Graph, attribute

_NORMS = {
    "LayerNormalization": "SkipLayerNormalization",
    "RMSNormalization": "SkipSimplifiedLayerNormalization",
}


def fuse(model: ModelProto) -> ModelProto:
    """The same step in fewer nodes."""
    graph = Graph(model)
    fold_constants(graph)
    share_constants(graph)
    for node in list(graph.nodes):
        if node.op_type == "GroupQueryAttention":
            _pack_attention(graph, node)
    for node in list(graph.nodes):
        if node.op_type in _NORMS:
            _skip_norm(graph, node)
    return graph.save()


def fold_constants(graph: Graph) -> None:
    """Compute what depends on weights alone, such as a product of two of them."""
    found: list[NodeProto] = []
    known = set(graph.weights)
    for node in graph.nodes:
        if node.op_type == "Constant" or (
            node.input and known.issuperset(node.input) and _pure(node)
        ):
            found.append(node)
            known.update(node.output)
    folded = {id(node) for node in found}
    wanted = [
        name
        for node in found
        for name in node.output
        if name in graph.outputs or any(id(node) not in folded for node in graph.readers[name])
    ]
    if not wanted:
        return
    read = {name for node in found for name in node.input}
    values = [helper.make_empty_tensor_value_info(name) for name in wanted]
    weights = [tensor for name, tensor in graph.weights.items() if name in read]
    part = helper.make_graph(found, "constants", [], values, weights)
    imports = graph.model.opset_import
    model = helper.make_model(part, opset_imports=imports, ir_version=graph.model.ir_version)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for name, value in zip(wanted, session.run(wanted, {}), strict=True):
        graph.add_weight(name, value)
    graph.nodes = [node for node in graph.nodes if id(node) not in folded]
    graph.index()


def share_constants(graph: Graph) -> None:
    """Keep equal constants once, so that ONNX Runtime computes what depends on them once."""
    first: dict[tuple[Any, ...], str] = {}
    for name, tensor in graph.weights.items():
        data = numpy_helper.to_array(tensor)
        digest = hashlib.sha256(data.tobytes()).digest()
        kept = first.setdefault((tensor.data_type, data.shape, digest), name)
        if kept != name and name not in graph.outputs:
            graph.rename(name, kept)


def _pure(node: NodeProto) -> bool:
    """Whether equal inputs give equal outputs, and it has no graph of its own."""
    return "Random" not in node.op_type and not any(each.HasField("g") for each in node.attribute)


def _pack_attention(graph: Graph, node: NodeProto) -> None:
    """Attention reads the joint projection itself, where nothing is done to its three parts."""
    found = [_part(graph, name) for name in node.input[:3]]
    sources = {each[0] for each in found if each is not None}
    if len(sources) == 1 and [each and each[1] for each in found] == [0, 1, 2]:
        node.input[0], node.input[1], node.input[2] = sources.pop(), "", ""
        graph.index()
    # (B, T, H Dh) -> (B, T, H, Dh) -> (B, T, H Dh)
    for apart in graph.readers[node.output[0]]:
        for joined in graph.readers[apart.output[0]] if apart.op_type == "Reshape" else []:
            if joined.op_type == "Reshape" and _rank(graph, joined.input[1]) == 3:
                graph.rename(joined.output[0], node.output[0])


def _part(graph: Graph, name: str) -> tuple[str, int] | None:
    """(the joint projection (B, T, 3 D), which third of it `name` (B, T, D) is)."""
    for kind in ("Reshape", "Transpose"):
        node = graph.made_by(name, kind)
        if node is None:
            return None
        name = node.input[0]
    source, which = _picked(graph, name)
    turn = graph.made_by(source, "Transpose")
    view = graph.made_by(turn.input[0], "Reshape") if turn is not None else None
    if turn is None or view is None or list(attribute(turn, "perm")) != [0, 3, 2, 1, 4]:
        return None
    return view.input[0], which


def _picked(graph: Graph, name: str) -> tuple[str, int]:
    """(what `name` is one element of along axis 2, its index), or ("", 0)."""
    gather, squeeze = graph.made_by(name, "Gather"), graph.made_by(name, "Squeeze")
    if gather is not None and attribute(gather, "axis") == 2:
        which = graph.scalar(gather.input[1])
        return ("", 0) if which is None else (gather.input[0], int(which))
    part = graph.made_by(squeeze.input[0], "Slice") if squeeze is not None else None
    if part is None or len(part.input) > 4 or graph.scalar(part.input[3]) != 2:
        return "", 0
    start, end = graph.scalar(part.input[1]), graph.scalar(part.input[2])
    if start is None or end != start + 1:
        return "", 0
    return part.input[0], int(start)


def _rank(graph: Graph, shape: str) -> int | None:
    """How many dimensions a shape has that is put together from single numbers."""
    node = graph.made_by(shape, "Concat")
    return None if node is None else len(node.input)


def _skip_norm(graph: Graph, norm: NodeProto) -> None:
    """norm(a + (b + bias)) as one node, which also gives the sum to whatever else reads it."""
    total = graph.made_by(norm.input[0], "Add")
    if total is None or attribute(norm, "axis", -1) != -1:
        return
    for branch, skip in (tuple(total.input), tuple(total.input)[::-1]):
        if graph.shapes.get(skip) != graph.shapes.get(branch) or graph.made_by(skip, "Unsqueeze"):
            continue  # one vector per row, such as the condition, cannot be the skip
        for product, bias in _biased(graph, branch):
            scale = [norm.input[1], *([norm.input[2]] if len(norm.input) > 2 else [])]
            fused = helper.make_node(
                _NORMS[norm.op_type],
                [product, skip, *scale, *([bias] if bias else [])],
                [norm.output[0], "", "", total.output[0]],
                domain=CONTRIB,
                epsilon=attribute(norm, "epsilon", 1e-5),
            )
            graph.replace([total, norm], [fused])
            return


def _biased(graph: Graph, name: str) -> Iterator[tuple[str, str]]:
    """(product, bias) where `name` is a matrix product, with a bias or without one."""
    if graph.made_by(name, "MatMul") is not None:
        yield name, ""
    added = graph.made_by(name, "Add")
    if added is None or not graph.sole(name):
        return
    for product, bias in (tuple(added.input), tuple(added.input)[::-1]):
        value = graph.constant(bias)
        if graph.made_by(product, "MatMul") is not None and value is not None and value.ndim == 1:
            yield product, bias
