// Tensors in .npy and .npz files.
#include "io/npy.h"
#include "io/tensor_file.h"
#include "io/zip.h"
#include "taper/autograd.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper {
namespace {

constexpr std::string_view extension = ".npy";

Tensor read_array(io::Stream& stream) {
  const NoGrad guard;
  io::NpyHeader header = io::read_npy_header(stream);
  Shape sizes = header.shape, dims;
  const int n = sizes.size();
  if (header.fortran_order)
    for (int d = 0; d < n; ++d) {
      sizes[d] = header.shape[n - 1 - d];
      dims.push_back(n - 1 - d);
    }
  const Tensor stored = empty(sizes, header.dtype);
  io::read_npy_data(stream, header, stored.data());
  return header.fortran_order ? contiguous(permute(stored, dims)) : stored;
}

}  // namespace

void save_npy(const Tensor& tensor, const std::string& path) {
  const Tensor held = io::plain(tensor);
  const std::string header = io::npy_header(held.dtype(), held.sizes());
  io::write_file(path, [&](io::Sink& sink) {
    sink.write(header.data(), header.size());
    sink.write(held.data(), std::size_t(held.numel() * held.item_size()));
  });
}

Tensor load_npy(const std::string& path) {
  const auto source = io::open_file(path);
  io::SourceStream stream(*source);
  return read_array(stream);
}

void save_npz(const NamedTensors& tensors, const std::string& path, bool compress) {
  for (std::size_t i = 0; i < tensors.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      check<ValueError>(tensors[i].first != tensors[j].first, "npz: two arrays are named ",
                        io::Quote{tensors[i].first});
  io::write_file(path, [&](io::Sink& sink) {
    io::ZipWriter writer(sink);
    for (const auto& [name, tensor] : tensors) {
      const Tensor held = io::plain(tensor);
      const std::string header = io::npy_header(held.dtype(), held.sizes());
      writer.add(name + std::string(extension), compress, [&](const io::ZipWriter::Emit& emit) {
        emit(header.data(), header.size());
        emit(held.data(), std::size_t(held.numel() * held.item_size()));
      });
    }
    writer.finish();
  });
}

NamedTensors load_npz(const std::string& path) {
  const io::ZipReader reader(io::open_file(path));
  NamedTensors tensors;
  for (const io::ZipReader::Member& member : reader.members()) {
    check<IOError>(member.name.ends_with(extension), reader.source().name(), ": zip member ",
                   io::Quote{member.name}, " is no .npy array; this is not an .npz file");
    const auto stream = reader.open(member);
    tensors.emplace_back(member.name.substr(0, member.name.size() - extension.size()), read_array(*stream));
  }
  return tensors;
}

}  // namespace taper
