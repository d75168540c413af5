"""Paths into nested values."""

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
