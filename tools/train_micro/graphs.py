"""CUDA graphs: what is called again and again with the same shapes, launched as a whole.

A step on clips of 8 frames is 16,000 kernels, which took 0.5 s to launch one by one, whatever the size of the batch.
"""

import contextlib

import torch


class Captured:
    """`call` (a kind, then tensors; returns tensors by name), captured once for every kind and shape."""

    def __init__(self, call, quiet: contextlib.AbstractContextManager):
        """quiet: keeps other threads from the device while a graph is captured."""
        self.call, self.quiet = call, quiet
        self.graphs: dict = {}
        self.memory = None  # one for all: no two run at a time, and what they return is copied

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
        with torch.cuda.stream(side):  # twice as it is, so that libraries and caches are ready
            self.call(kind, *places)
            self.call(kind, *places)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.memory, capture_error_mode="thread_local"):
            outputs = self.call(kind, *places)
        self.memory = graph.pool()
        return graph, places, outputs
