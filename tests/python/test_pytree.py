"""Paths into nested values."""

import collections
from collections import namedtuple

import pytest

from taper.utils import _pytree as trees

Pair = namedtuple("Pair", "left right")


def test_leaves_come_with_their_paths():
    tree = {"a": [1, (2, 3)], "b": Pair(4, {"c": 5})}
    found, spec = trees.tree_flatten_with_path(tree)
    assert [(trees.keystr(path), leaf) for path, leaf in found] == [
        ("['a'][0]", 1),
        ("['a'][1][0]", 2),
        ("['a'][1][1]", 3),
        ("['b'].left", 4),
        ("['b'].right['c']", 5),
    ]
    assert all(trees.key_get(tree, path) == leaf for path, leaf in found)
    assert trees.tree_unflatten([leaf for _, leaf in found], spec) == tree


def test_mapping_with_paths_keeps_the_structure():
    named = trees.tree_map_with_path(
        lambda path, x, y: (trees.keystr(path), x + y), {"a": [1, 2]}, {"a": [3, 4]}
    )
    assert named == {"a": [("['a'][0]", 4), ("['a'][1]", 6)]}


def test_registered_containers_name_their_parts():
    class Box:
        def __init__(self, content):
            self.content = content

    trees.register_pytree_node(
        Box,
        lambda box: ([box.content], None),
        lambda parts, _: Box(*parts),
        flatten_with_keys_fn=lambda box: ([(trees.GetAttrKey("content"), box.content)], None),
    )
    assert [trees.keystr(path) for path, _ in trees.tree_leaves_with_path([Box((1, 2))])] == [
        "[0].content[0]",
        "[0].content[1]",
    ]

    class Nameless(Box):
        pass

    trees.register_pytree_node(Nameless, lambda box: ([box.content], None), lambda parts, _: Nameless(*parts))
    with pytest.raises(ValueError, match="Nameless"):
        trees.tree_leaves_with_path(Nameless(1))


def test_structures_are_made_of_the_table_of_containers():
    from taper.utils._pytree import SUPPORTED_NODES, LeafSpec, TreeSpec, _get_node_type

    point = collections.namedtuple("point", "x y")
    examples = [
        (1, 2),
        [1],
        {"b": 1},
        point(1, 2),
        collections.OrderedDict(x=1),
        collections.deque([1, 2], 3),
    ]
    examples.append(collections.defaultdict(int, {1: 2}))
    for tree in examples:
        node = SUPPORTED_NODES[_get_node_type(tree)]
        again = node.unflatten_fn(*node.flatten_fn(tree))
        assert again == tree and type(again) is type(tree)
    # Classes of dicts and lists are leaves unless they are registered.
    assert _get_node_type(collections.Counter("a")) not in SUPPORTED_NODES
    spec = TreeSpec(dict, ["b", "a"], [LeafSpec(), TreeSpec(list, None, [LeafSpec(), LeafSpec()])])
    assert spec == trees.tree_structure({"b": 0, "a": [0, 0]}) and spec.num_leaves == 3 and spec.type is dict
    assert trees.tree_unflatten([1, 2, 3], spec) == {"b": 1, "a": [2, 3]}
