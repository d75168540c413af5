// Files: checkpoints, safetensors, and NumPy's formats.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "taper/state.h"
#include "taper/tensor.h"

namespace taper {

/// Tensors with names, in order.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
/// Text with names, in order.
using NamedTexts = std::vector<std::pair<std::string, std::string>>;

/// Where a loaded tensor goes, given the device it was saved from. None: the same device.
using Placement = std::function<Device(Device saved_on)>;

/// Saves a nested value as one safetensors file: its tensors have readable names ("model.fc.weight"), and the
/// entry "taper.tree" of __metadata__ holds the rest. Every reader of safetensors can open it; loading runs
/// no code.
///
/// Tensors that are the same (one Tensor, or views with equal memory, sizes and strides) are stored once and
/// are one Tensor when loaded. dtypes, requires_grad, parameters and devices are kept; gradients and graphs
/// are not.
///
/// The file appears whole or not at all, whatever happens (see load for how damage is noticed). Throws
/// IOError naming path and reason, ValueError for text that is not UTF-8 or nesting beyond 500 levels.
void save(const State& state, const std::string& path);
std::string save_to_memory(const State& state);

/// Loads what save wrote; of any other safetensors file, a dictionary of its tensors. All tensors have memory
/// of their own, so that later changes to the file do not matter. Checksums are compared unless verify is
/// false. Throws IOError that names the file, and where possible the tensor and the byte, for anything wrong.
State load(const std::string& path, const Placement& placement = {}, bool verify = true);
State load_from_memory(std::string_view bytes, const Placement& placement = {}, bool verify = true);

/// Saves tensors by name as a safetensors file. Throws ValueError for repeated names, IOError. complex128 is
/// stored as float64 with a last dimension of two, and read back as complex128 by Taper.
void save_safetensors(const NamedTensors& tensors, const std::string& path, const NamedTexts& metadata = {});
std::string save_safetensors_to_memory(const NamedTensors& tensors, const NamedTexts& metadata = {});

/// The tensors of a safetensors file in the header's order, and its metadata if asked for.
NamedTensors load_safetensors(const std::string& path, NamedTexts* metadata = nullptr, bool verify = true);
NamedTensors load_safetensors_from_memory(std::string_view bytes, NamedTexts* metadata = nullptr,
                                          bool verify = true);

/// NumPy's .npy: one array. load_npy reads all numeric dtypes in either byte order, row- and column-major;
/// the result is row-major. Throws IOError for anything wrong, DTypeError for saving bfloat16, which NumPy
/// lacks.
void save_npy(const Tensor& tensor, const std::string& path);
Tensor load_npy(const std::string& path);

/// NumPy's .npz: a zip archive of arrays, whose CRC-32 sums are compared.
void save_npz(const NamedTensors& tensors, const std::string& path, bool compress = false);
NamedTensors load_npz(const std::string& path);

}  // namespace taper
