"""CUDA graphs: a function that is called repeatedly with the same shapes is captured once and replayed.

A training step on clips of 8 frames launches 16,000 kernels: 0.5 s without a graph, at any batch size.
"""

import contextlib

import torch


class Captured:
    """`call(kind, *tensors)`, which returns tensors by name, captured once per kind and shapes."""

    def __init__(self, call, quiet: contextlib.AbstractContextManager):
        """quiet: lock that keeps other threads off the device during a capture."""
        self.call, self.quiet = call, quiet
        self.graphs: dict = {}
        self.memory = None  # one pool for all graphs: they never run concurrently, and outputs are copied

    def __call__(self, kind: str, *inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        key = kind, *(i.shape for i in inputs)
        if key not in self.graphs:
            with self.quiet:
                self.graphs[key] = self._capture(kind, inputs)
        graph, places, outputs = self.graphs[key]
        for place, value in zip(places, inputs):
            place.copy_(value)
        graph.replay()
        return {name: value.clone() for name, value in outputs.items()}

    def _capture(self, kind: str, inputs: tuple) -> tuple:
        places = [i.clone() for i in inputs]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # two eager calls warm up libraries and caches
            self.call(kind, *places)
            self.call(kind, *places)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.memory, capture_error_mode="thread_local"):
            outputs = self.call(kind, *places)
        self.memory = graph.pool()
        return graph, places, outputs
