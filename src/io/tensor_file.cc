// Tensors in safetensors files.
#include "io/tensor_file.h"

#include <algorithm>

#include "taper/autograd.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::io {
namespace {

// Names the tensors of dtype float64 that are complex128 in truth: one name a line, each line ended.
constexpr std::string_view complex_key = "taper.complex128";

bool is_complex128(const SafetensorsReader& reader, const TensorInfo& tensor) {
  if (tensor.dtype != DType::float64 || tensor.shape.empty() || tensor.shape.back() != 2) return false;
  const std::string line = tensor.name + "\n";
  for (const auto& [key, names] : reader.metadata()) {
    if (key != complex_key) continue;
    const std::size_t at = names.find(line);
    return at == 0 || (at != std::string::npos && names.find("\n" + line) != std::string::npos);
  }
  return false;
}

}  // namespace

Tensor plain(const Tensor& tensor) {
  const NoGrad guard;
  check<ValueError>(tensor.defined(), "save: got an undefined tensor");
  return contiguous(to(tensor.detach(), Device()));
}

void write_tensors(Sink& sink, const NamedTensors& tensors, const NamedTexts& metadata) {
  std::vector<TensorInfo> infos;
  infos.reserve(tensors.size());
  std::string complex_names;
  for (const auto& [name, tensor] : tensors) {
    check<ValueError>(tensor.defined(), "save: tensor ", Quote{name}, " is undefined");
    TensorInfo info{name, tensor.dtype(), tensor.sizes(), 0, 0};
    if (info.dtype == DType::complex128) {
      info.dtype = DType::float64;
      info.shape.push_back(2);
      complex_names += name + "\n";
    }
    infos.push_back(std::move(info));
  }
  NamedTexts all = metadata;
  std::erase_if(all, [](const auto& entry) { return entry.first == complex_key; });
  if (!complex_names.empty()) all.emplace_back(complex_key, complex_names);
  Tensor held;  // the bytes being written
  write_safetensors(sink, infos, all, [&](std::size_t i) {
    held = plain(tensors[i].second);
    return static_cast<const void*>(held.data());
  });
}

std::pair<DType, Shape> true_type(const SafetensorsReader& reader, std::size_t index) {
  const TensorInfo& info = reader.tensors().at(index);
  if (!is_complex128(reader, info)) return {info.dtype, info.shape};
  Shape shape = info.shape;
  shape.erase(shape.size() - 1);
  return {DType::complex128, shape};
}

Tensor read_tensor(const SafetensorsReader& reader, std::size_t index) {
  const auto [dtype, shape] = true_type(reader, index);
  const Tensor tensor = empty(shape, dtype);
  reader.read(index, tensor.data());
  return tensor;
}

}  // namespace taper::io

namespace taper {
namespace {

NamedTensors read_all(const io::SafetensorsReader& reader, NamedTexts* metadata) {
  NamedTensors tensors;
  tensors.reserve(reader.tensors().size());
  for (std::size_t i = 0; i < reader.tensors().size(); ++i)
    tensors.emplace_back(reader.tensors()[i].name, io::read_tensor(reader, i));
  reader.check_unchanged();
  if (metadata) *metadata = reader.metadata();
  return tensors;
}

}  // namespace

void save_safetensors(const NamedTensors& tensors, const std::string& path, const NamedTexts& metadata) {
  io::write_file(path, [&](io::Sink& sink) { io::write_tensors(sink, tensors, metadata); });
}

std::string save_safetensors_to_memory(const NamedTensors& tensors, const NamedTexts& metadata) {
  io::MemorySink sink;
  io::write_tensors(sink, tensors, metadata);
  return sink.take();
}

NamedTensors load_safetensors(const std::string& path, NamedTexts* metadata, bool verify) {
  return read_all(io::SafetensorsReader(io::open_file(path), verify), metadata);
}

NamedTensors load_safetensors_from_memory(std::string_view bytes, NamedTexts* metadata, bool verify) {
  return read_all(io::SafetensorsReader(io::open_memory(bytes.data(), bytes.size()), verify), metadata);
}

}  // namespace taper
