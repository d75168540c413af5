// Copies, conversions and in-place assignment.
#pragma once

#include <optional>
#include <string_view>

#include "taper/tensor.h"

namespace taper {

/// The elements in fresh memory. memory_format: "preserve" keeps dense strides, "contiguous" is row-major,
/// "channels_last" puts dimension 1 innermost.
Tensor clone(const Tensor& x, std::string_view memory_format = "preserve");
/// x itself where it is already laid out so, else a copy.
Tensor contiguous(const Tensor& x, std::string_view memory_format = "contiguous");
/// x in another dtype; x itself where it has it already (unless copy). Complex to real drops the imaginary
/// part.
Tensor to(const Tensor& x, DType dtype, bool copy = false);
/// x on another device; x itself where it is there already (unless copy). non_blocking: a copy between a
/// device and pinned memory goes on after the return; the program then waits for the stream before it reads
/// in main memory.
Tensor to(const Tensor& x, Device device, bool non_blocking = false, bool copy = false);
/// Writes source, broadcast, converted and from any device, into target. Differentiable in source.
const Tensor& copy_(const Tensor& target, const Tensor& source, bool non_blocking = false);
const Tensor& fill_(const Tensor& target, const Scalar& value);
const Tensor& zero_(const Tensor& target);
/// Gives target other sizes, with more memory where needed; new elements are uninitialized. Throws
/// AutogradError for tensors that require a gradient.
const Tensor& resize_(const Tensor& target, const Shape& sizes);
/// Makes target show source's memory, sizes and dtype, under its own identity (PyTorch's x.data = y).
void set_memory(const Tensor& target, const Tensor& source);
/// x summed over broadcast dimensions to the given sizes.
Tensor sum_to_size(const Tensor& x, const Shape& sizes);
/// Real part of a complex tensor; a real tensor itself.
Tensor real(const Tensor& x);

}  // namespace taper
