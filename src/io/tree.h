// A State as text and tensors: the JSON tree in the metadata of a checkpoint, and the names of its tensors.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "taper/io.h"

namespace taper::io {

/// Entry of __metadata__ that holds the tree.
inline constexpr std::string_view tree_key = "taper.tree";
/// Levels that a State may have.
inline constexpr int max_depth = 500;

/// The tree as JSON; its tensors are appended to tensors, each once, under names made from their place.
///
/// null, true, 1, 1.5, "text" and [..] stand for themselves; the rest are objects with one of these entries:
///   {"dict": [[key, value], ..]}   {"list": [..]}   {"text": ".."}   {"float": "nan" | "inf" | "-inf"}
///   {"bytes": name of a uint8 tensor}
///   {"tensor": name, "requires_grad": true, "parameter": true, "device": "cuda:0"}   (the last three if so)
///   {"value": ..}   (of a kind above that has a tag)
/// and with "tag" for a value that has one. The whole is {"version": 1, "root": tree}.
std::string write_tree(const State& state, NamedTensors& tensors);

/// The inverse. tensor(name) gives a tensor of the file; it is asked once for each name. Throws IOError
/// beginning with source.
State read_tree(std::string_view text, const std::string& source,
                const std::function<Tensor(const std::string&)>& tensor, const Placement& placement);

}  // namespace taper::io
