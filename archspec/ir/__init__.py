"""The intermediate representation: graphs of ops with ports, and functions to read, compare and edit them. No torch."""

from archspec.ir.graph import CLIMB, INPUT, Graph, Node, NodePath, Place, Port, StateId, Value
from archspec.ir.interpret import Site, interpret, sites

__all__ = [
    "CLIMB", "INPUT", "Graph", "Node", "NodePath", "Place", "Port", "Site", "StateId", "Value", "interpret", "sites",
]
