// save and load: a State as one safetensors file.
#include <unordered_map>

#include "io/tensor_file.h"
#include "io/tree.h"
#include "taper/error.h"

namespace taper {
namespace {

void write_state(io::Sink& sink, const State& state) {
  NamedTensors tensors;
  const std::string tree = io::write_tree(state, tensors);
  io::write_tensors(sink, tensors, {{std::string(io::tree_key), tree}});
}

State read_state(const io::SafetensorsReader& reader, const Placement& placement) {
  const std::string* tree = nullptr;
  for (const auto& [key, value] : reader.metadata())
    if (key == io::tree_key) tree = &value;
  if (!tree) {
    State state = State::dict();
    for (std::size_t i = 0; i < reader.tensors().size(); ++i)
      state.as_dict().emplace_back(reader.tensors()[i].name, io::read_tensor(reader, i));
    reader.check_unchanged();
    return state;
  }
  std::unordered_map<std::string, std::size_t> indices;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) indices.emplace(reader.tensors()[i].name, i);
  const auto fetch = [&](const std::string& name) {
    const auto found = indices.find(name);
    check<IOError>(found != indices.end(), reader.name(), ": the tree names tensor ", io::Quote{name},
                   ", which the file does not have");
    return io::read_tensor(reader, found->second);
  };
  State state = io::read_tree(*tree, reader.name(), fetch, placement);
  reader.check_unchanged();
  return state;
}

}  // namespace

void save(const State& state, const std::string& path) {
  io::write_file(path, [&](io::Sink& sink) { write_state(sink, state); });
}

std::string save_to_memory(const State& state) {
  io::MemorySink sink;
  write_state(sink, state);
  return sink.take();
}

State load(const std::string& path, const Placement& placement, bool verify) {
  return read_state(io::SafetensorsReader(io::open_file(path), verify), placement);
}

State load_from_memory(std::string_view bytes, const Placement& placement, bool verify) {
  return read_state(io::SafetensorsReader(io::open_memory(bytes.data(), bytes.size()), verify), placement);
}

}  // namespace taper
