"""Nested tuples, lists and dicts of values, flattened and rebuilt."""

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PyTree = Any


@dataclass(frozen=True)
class NodeDef:
    """A class of containers: flatten_fn(value) = (parts, context), unflatten_fn(parts, context) = value."""

    type: type
    flatten_fn: Callable
    unflatten_fn: Callable


def _dict_flatten(tree):
    return list(tree.values()), list(tree)


def _dict_unflatten(values, context):
    return dict(zip(context, values))


def _named_unflatten(values, kind):
    # collections.namedtuple takes its fields one by one, the named results of operations take one sequence.
    return kind(*values) if hasattr(kind, "_fields") else kind(values)


# By class; namedtuple stands for all classes of tuples that are not here themselves.
SUPPORTED_NODES = {
    node.type: node
    for node in (
        NodeDef(tuple, lambda tree: (list(tree), None), lambda values, _: tuple(values)),
        NodeDef(list, lambda tree: (tree, None), lambda values, _: list(values)),
        NodeDef(dict, _dict_flatten, _dict_unflatten),
        NodeDef(namedtuple, lambda tree: (list(tree), type(tree)), _named_unflatten),
        NodeDef(OrderedDict, _dict_flatten, lambda values, keys: OrderedDict(zip(keys, values))),
        NodeDef(
            defaultdict,
            lambda tree: (list(tree.values()), [tree.default_factory, list(tree)]),
            lambda values, context: defaultdict(context[0], zip(context[1], values)),
        ),
        NodeDef(deque, lambda tree: (list(tree), tree.maxlen), deque),
    )
}
# Of registered classes whose parts have names: a function value -> ([(key, part), ...], context).
_flatten_with_keys = {}


def _get_node_type(tree):
    """Under what a tree is found in SUPPORTED_NODES; that of a leaf is not there."""
    kind = type(tree)
    return namedtuple if kind not in SUPPORTED_NODES and isinstance(tree, tuple) else kind


def _is_node(tree):
    return _get_node_type(tree) in SUPPORTED_NODES


def _flatten(tree):
    return SUPPORTED_NODES[_get_node_type(tree)].flatten_fn(tree)


@dataclass(frozen=True)
class SequenceKey:
    """A step of a path into a tree: entry idx of a sequence."""

    idx: int

    def __str__(self):
        return f"[{self.idx!r}]"

    def get(self, sequence):
        """The entry of this sequence."""
        return sequence[self.idx]


@dataclass(frozen=True)
class MappingKey:
    """A step of a path into a tree: the value of a key of a dict."""

    key: object

    def __str__(self):
        return f"[{self.key!r}]"

    def get(self, mapping):
        """The value in this dict."""
        return mapping[self.key]


@dataclass(frozen=True)
class GetAttrKey:
    """A step of a path into a tree: an attribute of an object."""

    name: str

    def __str__(self):
        return f".{self.name}"

    def get(self, value):
        """The attribute of this object."""
        return getattr(value, self.name)


class TreeSpec:
    """The structure of a tree without its leaves: its class as in SUPPORTED_NODES, the context of that, and
    the structures of its parts."""

    def __init__(self, type, context=None, children_specs=()):
        parts = [spec._template for spec in children_specs]
        self._template = SUPPORTED_NODES[type].unflatten_fn(parts, context)

    @classmethod
    def _of(cls, template):
        spec = cls.__new__(cls)
        spec._template = template
        return spec

    num_leaves = property(lambda self: len(tree_leaves(self._template)))
    type = property(lambda self: _get_node_type(self._template) if _is_node(self._template) else None)

    def unflatten(self, leaves):
        """The tree with these leaves."""
        return tree_unflatten(leaves, self)

    def is_leaf(self):
        """Whether the tree is one leaf."""
        return not _is_node(self._template)

    def __eq__(self, other):
        return isinstance(other, TreeSpec) and _same(self._template, other._template)

    __hash__ = None

    def __repr__(self):
        return f"TreeSpec({tree_map(lambda _: _Star(), self._template)!r})"


class LeafSpec(TreeSpec):
    """The structure of a single value."""

    def __init__(self):
        self._template = _Star()


class _Star:
    def __repr__(self):
        return "*"


def _same(a, b):
    if not (_is_node(a) and _is_node(b)):
        return _is_node(a) == _is_node(b)
    (parts, context), (others, context2) = _flatten(a), _flatten(b)
    return (
        type(a) is type(b)
        and context == context2
        and len(parts) == len(others)
        and all(map(_same, parts, others))
    )


def register_pytree_node(cls, flatten_fn, unflatten_fn, *, flatten_with_keys_fn=None, **options):
    """Makes cls a container: flatten_fn(value) = (parts, context), unflatten_fn(parts, context) = value.

    flatten_with_keys_fn(value) = ([(key, part), ...], context) names the parts where paths are asked for.
    Other options concern PyTorch's files of structures.
    """
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn)
    if flatten_with_keys_fn is not None:
        _flatten_with_keys[cls] = flatten_with_keys_fn


def _dict_flatten_with_keys(tree):
    return [(MappingKey(key), value) for key, value in tree.items()], list(tree)


def tree_flatten(tree, is_leaf=None):
    """(leaves, spec): the values in order, and what tree_unflatten needs."""
    leaves = []
    return leaves, TreeSpec._of(tree_map(leaves.append, tree, is_leaf=is_leaf))


def tree_unflatten(leaves, treespec):
    """The tree that tree_flatten took apart, with other leaves."""
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(f"tree_unflatten: got {len(leaves)} leaves for a tree of {treespec.num_leaves}")
    values = iter(leaves)
    return tree_map(lambda _: next(values), treespec._template)


def tree_leaves(tree, is_leaf=None):
    """The values in order."""
    leaves = []
    tree_map(leaves.append, tree, is_leaf=is_leaf)
    return leaves


def tree_iter(tree, is_leaf=None):
    """An iterator over the values in order."""
    return iter(tree_leaves(tree, is_leaf))


def tree_structure(tree, is_leaf=None):
    """The structure of the tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func, tree, *rests, is_leaf=None):
    """func of each leaf (and of those in the same place of rests), in the same structure."""

    def again(value, *others):
        return tree_map(func, value, *others, is_leaf=is_leaf)

    if not _is_node(tree) or (is_leaf is not None and is_leaf(tree)):
        return func(tree, *rests)
    node = SUPPORTED_NODES[_get_node_type(tree)]
    parts, context = node.flatten_fn(tree)
    if isinstance(tree, dict):
        others = [[rest[key] for key in tree] for rest in rests]
    else:
        others = [_flatten(rest)[0] for rest in rests]
    return node.unflatten_fn([again(*row) for row in zip(parts, *others)], context)


def _keys(tree):
    if type(tree) in _flatten_with_keys:
        return [key for key, _ in _flatten_with_keys[type(tree)](tree)[0]]
    if isinstance(tree, dict):
        return [MappingKey(key) for key in tree]
    if hasattr(tree, "_fields"):
        return [GetAttrKey(name) for name in tree._fields]
    if not isinstance(tree, (tuple, list, deque)):
        raise ValueError(f"paths: {type(tree).__name__} was registered without flatten_with_keys_fn")
    return [SequenceKey(i) for i in range(len(tree))]


def _paths(tree, is_leaf, path=()):
    """The path of each leaf, in order."""
    if not _is_node(tree) or (is_leaf is not None and is_leaf(tree)):
        return [path]
    return [
        leaf
        for key, part in zip(_keys(tree), _flatten(tree)[0])
        for leaf in _paths(part, is_leaf, (*path, key))
    ]


def tree_flatten_with_path(tree, is_leaf=None):
    """([(path, leaf), ...], spec): a path is a tuple of SequenceKey, MappingKey and GetAttrKey."""
    leaves, spec = tree_flatten(tree, is_leaf)
    return list(zip(_paths(tree, is_leaf), leaves)), spec


def tree_leaves_with_path(tree, is_leaf=None):
    """[(path, leaf), ...] in order."""
    return tree_flatten_with_path(tree, is_leaf)[0]


def tree_map_with_path(func, tree, *rests, is_leaf=None):
    """func(path, leaf, ...) of each leaf, in the same structure."""
    paths = iter(_paths(tree, is_leaf))
    return tree_map(lambda *leaves: func(next(paths), *leaves), tree, *rests, is_leaf=is_leaf)


def keystr(kp):
    """A path as text, such as "['weights'][0].scale"."""
    return "".join(map(str, kp))


def key_get(obj, kp):
    """What lies at a path in a tree."""
    for key in kp:
        obj = key.get(obj)
    return obj


def tree_map_(func, tree, *rests, is_leaf=None):
    """Calls func for each leaf and gives the tree as it is."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def _only(types, func):
    if isinstance(types, type) or not callable(types):
        return lambda value: func(value) if isinstance(value, types) else value
    return lambda value: func(value) if types(value) else value


def tree_map_only(type_or_types_or_pred, func, tree, is_leaf=None):
    """func of the leaves of some types (or for which a function is true); the others stay as they are."""
    return tree_map(_only(type_or_types_or_pred, func), tree, is_leaf=is_leaf)


def tree_all(pred, tree, is_leaf=None):
    """Whether pred holds for every leaf."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred, tree, is_leaf=None):
    """Whether pred holds for some leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))
