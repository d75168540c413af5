"""Nested tuples, lists and dicts of values, flattened and rebuilt."""

from collections import defaultdict


def tree_flatten(tree):
    """(leaves, spec): the values in order, and what tree_unflatten needs."""
    leaves = []
    return leaves, tree_map(leaves.append, tree)


def tree_unflatten(leaves, spec):
    """The tree that tree_flatten took apart, with other leaves."""
    values = iter(leaves)
    return tree_map(lambda _: next(values), spec)


def tree_leaves(tree):
    """The values in order."""
    return tree_flatten(tree)[0]


def tree_map(function, tree, *others):
    """function of each leaf (and of those in the same place of others), in the same structure."""
    if isinstance(tree, dict):
        values = [(key, tree_map(function, tree[key], *(other[key] for other in others))) for key in tree]
        if isinstance(tree, defaultdict):
            return defaultdict(tree.default_factory, values)
        return type(tree)(values)
    if isinstance(tree, (tuple, list)):
        values = [tree_map(function, *entries) for entries in zip(tree, *others)]
        return _like(tree, values)
    return function(tree, *others)


def _like(tree, values):
    # collections.namedtuple takes its fields one by one, the named results of operations take one sequence.
    return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)
