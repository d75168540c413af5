// Tensors in safetensors files: what the public functions and the checkpoint format share.
#pragma once

#include "io/safetensors.h"
#include "taper/io.h"

namespace taper::io {

/// Writes tensors in order; see save_safetensors.
void write_tensors(Sink& sink, const NamedTensors& tensors, const NamedTexts& metadata);

/// Dtype and shape that a tensor of the file has in Taper, where complex128 exists.
std::pair<DType, Shape> true_type(const SafetensorsReader& reader, std::size_t index);

/// One tensor with memory of its own.
Tensor read_tensor(const SafetensorsReader& reader, std::size_t index);

/// Row-major, in main memory, outside of any graph.
Tensor plain(const Tensor& tensor);

/// Writes a whole file at once or not at all.
template <class Write>
void write_file(const std::string& path, Write&& write) {
  AtomicFile file(path);
  write(file);
  file.commit();
}

}  // namespace taper::io
