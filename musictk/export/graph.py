"""An ONNX graph that is rewritten: who makes each value, who reads it, what is constant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

CONTRIB = "com.microsoft"


class Graph:
    """The nodes of a model in order; `save` writes them back."""

    def __init__(self, model: ModelProto) -> None:
        self.model = model
        self.nodes: list[NodeProto] = list(model.graph.node)
        self.weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self.outputs = {value.name for value in model.graph.output}
        self.outputs |= set(_read_inside(self.nodes))  # must keep their names, too
        self.shapes = {
            value.name: tuple(
                axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim
            )
            for value in model.graph.value_info
        }
        self.index()

    def index(self) -> None:
        """Find the maker and the readers of each value again, after a change."""
        self.maker = {name: node for node in self.nodes for name in node.output if name}
        self.readers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                if name:
                    self.readers[name].append(node)

    def made_by(self, name: str, kind: str) -> NodeProto | None:
        """The node of type `kind` whose first output is `name`."""
        node = self.maker.get(name)
        return node if node is not None and node.op_type == kind else None

    def sole(self, name: str) -> bool:
        """Whether one node alone reads a value, and no output of the graph is it."""
        return len(self.readers[name]) == 1 and name not in self.outputs

    def constant(self, name: str) -> NDArray[Any] | None:
        """The value of an initializer or a Constant node."""
        if name in self.weights:
            return numpy_helper.to_array(self.weights[name])
        node = self.made_by(name, "Constant")
        return None if node is None else numpy_helper.to_array(node.attribute[0].t)

    def scalar(self, name: str) -> float | None:
        """The value of a constant with one element."""
        value = self.constant(name)
        return None if value is None or value.size != 1 else value.item()

    def add_weight(self, name: str, value: NDArray[Any]) -> str:
        """Add an initializer."""
        self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def replace(self, old: Iterable[NodeProto], new: Sequence[NodeProto]) -> None:
        """Put `new` in the place of the last of the nodes `old`."""
        gone = {id(node) for node in old}
        last = max(at for at, node in enumerate(self.nodes) if id(node) in gone)
        kept = [
            each
            for at, node in enumerate(self.nodes)
            for each in ((new if at == last else ()) if id(node) in gone else (node,))
        ]
        self.nodes = kept
        self.index()

    def rename(self, old: str, new: str) -> None:
        """Read `new` wherever `old` was read."""
        for node in self.readers.pop(old, []):
            for at, name in enumerate(node.input):
                if name == old:
                    node.input[at] = new
            self.readers[new].append(node)

    def save(self) -> ModelProto:
        """The model with these nodes, without what nothing reads."""
        self._drop_unread()
        graph = self.model.graph
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self.nodes)
        read = {name for node in self.nodes for name in node.input}
        graph.initializer.extend(
            tensor for name, tensor in self.weights.items() if name in read | self.outputs
        )
        if all(each.domain != CONTRIB for each in self.model.opset_import):
            self.model.opset_import.append(helper.make_opsetid(CONTRIB, 1))
        return self.model

    def _drop_unread(self) -> None:
        read = set(self.outputs)
        kept = []
        for node in reversed(self.nodes):
            if read.intersection(node.output):
                kept.append(node)
                read.update(node.input)
        self.nodes = kept[::-1]
        self.index()


def _read_inside(nodes: Iterable[NodeProto]) -> Iterator[str]:
    """What the graphs inside of nodes read, such as the branches of an If."""
    for node in nodes:
        for each in node.attribute:
            for inner in (each.g, *each.graphs):
                for part in inner.node:
                    yield from part.input
                yield from _read_inside(inner.node)
                yield from (value.name for value in inner.output)


def written_in_place(model: ModelProto) -> set[tuple[str, str]]:
    """(input, output): what a node writes in place where both are bound to one buffer."""
    return {
        pair
        for node in model.graph.node
        if node.op_type == "GroupQueryAttention"
        for pair in zip(node.input[3:5], node.output[1:3], strict=True)
    }


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """The value of a node's attribute."""
    for each in node.attribute:
        if each.name == name:
            return helper.get_attribute_value(each)
    return default
