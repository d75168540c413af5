"""Places in the graph, for backward and grad."""

from collections import namedtuple


class GradientEdge(namedtuple("GradientEdge", "node output_nr ownership_token", defaults=(None,))):
    """The gradient of result output_nr of node. autograd.graph.get_gradient_edge makes one."""

    __slots__ = ()

    def stand_in(self):
        """A tensor whose gradient is the edge's. Throws ValueError for an edge put together by hand."""
        if self.ownership_token is None:
            raise ValueError(
                "GradientEdge: has no shape; make it with autograd.graph.get_gradient_edge(tensor)"
            )
        return self.ownership_token
