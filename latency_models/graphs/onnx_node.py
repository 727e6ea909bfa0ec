"""A node of an ONNX file, as those see it who turn it into nodes of a graph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from latency_models.graphs.nodes import Graph
from latency_models.graphs.values import Value
from latency_models.operators import Shape


@dataclass(frozen=True)
class OnnxNode:
    """A node of a file.

    Attributes:
        graph: Gets what the node becomes.
        kind: Its operator's name, without the domain.
        name: Of the node.
        attributes: By name; absent where the file has none.
        inputs: None where an optional one is left out.
        constants: The small ones among the inputs that are known, else None.
        shapes, dtypes: Of the outputs.
    """

    graph: Graph
    kind: str
    name: str
    attributes: Mapping[str, Any]
    inputs: tuple[Value | None, ...]
    constants: tuple[np.ndarray | None, ...]
    shapes: tuple[Shape, ...]
    dtypes: tuple[str, ...]

    def value(self, number: int) -> Value:
        """An input that has to be there.

        Raises:
            ValueError: If it is not.
        """
        found = self.optional(number)
        if found is None:
            raise ValueError(f"node {self.name!r} ({self.kind}): input {number} is missing")
        return found

    def optional(self, number: int) -> Value | None:
        """An input that may be left out."""
        return self.inputs[number] if number < len(self.inputs) else None

    def weight(self, number: int) -> Value:
        """An input that is a parameter even if it has only one element."""
        value = self.value(number)
        if value.known and not value.weights:
            return self.graph.add_weight(value.shape, value.dtype, trained=True)
        return value

    def constant(self, number: int) -> np.ndarray | None:
        """The content of an input, if it is known and small."""
        return self.constants[number] if number < len(self.constants) else None

    def whole_numbers(self, attribute: str, number: int) -> list[int] | None:
        """What older versions have as an attribute and newer ones as an input; None if left out.

        Raises:
            ValueError: If the input is not known before the network runs.
        """
        if attribute in self.attributes:
            found = self.attributes[attribute]
            return [found] if isinstance(found, int) else [int(x) for x in found]
        if self.optional(number) is None:
            return None
        content = self.constant(number)
        if content is None:
            raise ValueError(
                f"node {self.name!r} ({self.kind}): {attribute} is not known before it runs"
            )
        return [int(x) for x in content.reshape(-1)]


Handler = Callable[[OnnxNode], list[Value]]
