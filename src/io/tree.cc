// Writing and reading the tree of a checkpoint.
#include "io/tree.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "io/safetensors.h"
#include "taper/autograd.h"
#include "taper/cuda.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::io {
namespace {

using Json = nlohmann::ordered_json;

class TreeWriter {
 public:
  explicit TreeWriter(NamedTensors& tensors) : tensors_(tensors) {
    for (const auto& [name, tensor] : tensors) names_.insert(name);
  }

  Json node(const State& state, const std::string& path, int depth) {
    check<ValueError>(depth <= max_depth, "save: nested deeper than ", max_depth, " levels at ", Quote{path},
                      "; does it contain itself?");
    Json json = bare(state, path, depth);
    if (state.tag().empty()) return json;
    if (!json.is_object())
      json = Json{{state.is_text() ? "text" : state.is_list() ? "list" : "value", std::move(json)}};
    json["tag"] = state.tag();
    return json;
  }

 private:
  Json bare(const State& state, const std::string& path, int depth) {
    if (state.is_none()) return nullptr;
    if (state.is_bool()) return state.as_bool();
    if (state.is_int()) return state.as_int();
    if (state.is_double()) return number(state.as_double());
    if (state.is_text()) return state.as_text();
    if (state.is_bytes()) return Json{{"bytes", add(bytes(state.as_bytes()), path)}};
    if (state.is_tensor()) return tensor(state.as_tensor(), path);
    if (state.is_list()) return items(state.as_list(), path, depth);
    return entries(state.as_dict(), path, depth);
  }

  static Json number(double value) {
    if (std::isfinite(value)) return value;
    return Json{{"float", std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf"}};
  }

  static Tensor bytes(const std::string& content) {
    const Tensor tensor = empty({std::int64_t(content.size())}, DType::uint8);
    if (!content.empty()) std::memcpy(tensor.data(), content.data(), content.size());
    return tensor;
  }

  Json tensor(const Tensor& tensor, const std::string& path) {
    check<ValueError>(tensor.defined(), "save: the tensor at ", Quote{path}, " is undefined");
    Json json{{"tensor", name_of(tensor, path)}};
    if (tensor.requires_grad()) json["requires_grad"] = true;
    if (tensor.record()->parameter) json["parameter"] = true;
    if (!tensor.device().is_cpu()) json["device"] = concat(tensor.device());
    return json;
  }

  // Tensors that show the same elements are stored once.
  std::string name_of(const Tensor& tensor, const std::string& path) {
    const Key key{tensor.data(), tensor.dtype(), tensor.sizes().to_vector(), tensor.strides().to_vector()};
    if (tensor.numel() == 0) return add(tensor, path);  // has no address of its own
    const auto [known, fresh] = known_.try_emplace(key);
    if (fresh) known->second = add(tensor, path);
    return known->second;
  }

  std::string add(const Tensor& tensor, const std::string& path) {
    std::string name = path.empty() ? "tensor" : path;
    if (name == "__metadata__") name += ".";
    for (int copy = 2; !names_.insert(name).second; ++copy)
      name = concat(path.empty() ? "tensor" : path, "#", copy);
    tensors_.emplace_back(name, tensor);
    return name;
  }

  static std::string join(const std::string& path, const std::string& part) {
    return path.empty() ? part : path + "." + part;
  }

  Json items(const State::List& list, const std::string& path, int depth) {
    Json json = Json::array();
    for (std::size_t i = 0; i < list.size(); ++i)
      json.push_back(node(list[i], join(path, std::to_string(i)), depth + 1));
    return json;
  }

  Json entries(const State::Dict& dict, const std::string& path, int depth) {
    Json pairs = Json::array();
    for (const auto& [key, value] : dict) {
      const std::string part = key.is_text()  ? key.as_text()
                               : key.is_int() ? std::to_string(key.as_int())
                                              : std::to_string(pairs.size());
      Json name = node(key, join(path, part + ".key"), depth + 1);
      pairs.push_back(Json::array({std::move(name), node(value, join(path, part), depth + 1)}));
    }
    return Json{{"dict", std::move(pairs)}};
  }

  using Key = std::tuple<const void*, DType, std::vector<std::int64_t>, std::vector<std::int64_t>>;
  NamedTensors& tensors_;
  std::map<Key, std::string> known_;
  std::unordered_set<std::string> names_;
};

class TreeReader {
 public:
  TreeReader(const std::string& source, const std::function<Tensor(const std::string&)>& tensor,
             const Placement& placement)
      : source_(source), fetch_(tensor), placement_(placement) {}

  State node(const Json& json, int depth) {
    check<IOError>(depth <= max_depth, source_, ": the tree is nested deeper than ", max_depth, " levels");
    switch (json.type()) {
      case Json::value_t::null: return {};
      case Json::value_t::boolean: return json.get<bool>();
      case Json::value_t::number_integer: return json.get<std::int64_t>();
      case Json::value_t::number_unsigned: return integer(json.get<std::uint64_t>());
      case Json::value_t::number_float: return json.get<double>();
      case Json::value_t::string: return json.get<std::string>();
      case Json::value_t::array: return State::list(items(json, depth));
      default: return object(json, depth);
    }
  }

 private:
  [[noreturn]] void refuse(const char* problem) const { fail<IOError>(source_, ": the tree ", problem); }

  State integer(std::uint64_t value) const {
    if (value > std::uint64_t(std::numeric_limits<std::int64_t>::max()))
      refuse("has an integer beyond 64 bits");
    return std::int64_t(value);
  }

  State object(const Json& json, int depth) {
    if (!json.is_object() || json.empty()) refuse("has an object of unknown form");
    State state = by_kind(json, json.begin().key(), json.begin().value(), depth);
    const auto tag = json.find("tag");
    return tag == json.end() ? state : std::move(state).tagged(text(*tag));
  }

  State by_kind(const Json& json, const std::string& kind, const Json& content, int depth) {
    if (kind == "dict") return State::dict(entries(content, depth));
    if (kind == "list") return State::list(items(content, depth));
    if (kind == "text") return text(content);
    if (kind == "value") return node(content, depth + 1);
    if (kind == "tensor") return tensor(json, text(content));
    if (kind == "bytes") return bytes(text(content));
    if (kind == "float") return special(text(content));
    refuse("has a value of unknown kind; was it saved by a newer version?");
  }

  std::string text(const Json& json) const {
    if (!json.is_string()) refuse("has something else where text belongs");
    return json.get<std::string>();
  }

  double special(const std::string& name) const {
    if (name == "nan") return std::numeric_limits<double>::quiet_NaN();
    if (name == "inf") return std::numeric_limits<double>::infinity();
    if (name == "-inf") return -std::numeric_limits<double>::infinity();
    refuse("has a float of unknown name");
  }

  State::List items(const Json& json, int depth) {
    if (!json.is_array()) refuse("has something else where a list belongs");
    State::List list;
    list.reserve(json.size());
    for (const Json& item : json) list.push_back(node(item, depth + 1));
    return list;
  }

  State::Dict entries(const Json& json, int depth) {
    if (!json.is_array()) refuse("has something else where a dictionary's entries belong");
    State::Dict dict;
    dict.reserve(json.size());
    for (const Json& pair : json) {
      if (!pair.is_array() || pair.size() != 2) refuse("has a dictionary entry that is not a pair");
      State key = node(pair[0], depth + 1);
      dict.emplace_back(std::move(key), node(pair[1], depth + 1));
    }
    return dict;
  }

  // The second object for the same elements is a view of the first.
  Tensor fetch(const std::string& name) {
    const auto [known, fresh] = fetched_.try_emplace(name);
    if (!fresh) return known->second.detach();
    return known->second = fetch_(name);
  }

  State tensor(const Json& json, const std::string& name) {
    const auto flag = [&](const char* key) {
      const auto found = json.find(key);
      return found != json.end() && found->is_boolean() && found->get<bool>();
    };
    const auto device = json.find("device");
    const bool requires_grad = flag("requires_grad"), parameter = flag("parameter");
    // The same elements saved once as a parameter and once as its detached tensor become two tensors on one
    // memory.
    const std::string key = concat(name, requires_grad ? "\n1" : "\n0", parameter ? "1" : "0");
    const auto [known, fresh] = made_.try_emplace(key);
    if (!fresh) return known->second;
    Tensor tensor = fetch(name);
    const Device saved_on = device == json.end() ? Device(Device::Type::cpu) : saved_device(text(*device));
    const Device target = placement_ ? placement_(saved_on) : saved_on;
    check<DeviceError>(target.is_cpu() || cuda::is_available(), source_, ": tensor ", Quote{name},
                       " was saved from ", saved_on, ", which is not available (", cuda::why_unavailable(),
                       "); load it with map_location='cpu'");
    tensor = to(tensor, target);
    if (requires_grad) tensor.requires_grad_(true);
    tensor.record()->parameter = parameter;
    return known->second = tensor;
  }

  Device saved_device(const std::string& name) const {
    try {
      return Device(name);
    } catch (const DeviceError&) {
      refuse("names a device that does not exist");
    }
  }

  State bytes(const std::string& name) {
    const Tensor tensor = fetch(name);
    if (tensor.dtype() != DType::uint8 || tensor.ndim() != 1) refuse("has bytes that are no uint8 tensor");
    return State::Bytes{std::string(tensor.data<char>(), std::size_t(tensor.numel()))};
  }

  const std::string& source_;
  const std::function<Tensor(const std::string&)>& fetch_;
  const Placement& placement_;
  std::unordered_map<std::string, Tensor> fetched_, made_;
};

// A document tree takes many times the memory of a text that only opens brackets, so the depth is checked
// before.
bool too_deep(std::string_view text) {
  constexpr int levels = 3 * (max_depth + 2);  // a dictionary is an object, a list and a pair
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') in_string = !in_string;
    else if (in_string) i += c == '\\';
    else if (c == '[' || c == '{') ++depth;
    else if (c == ']' || c == '}') --depth;
    if (depth > levels) return true;
  }
  return false;
}

}  // namespace

std::string write_tree(const State& state, NamedTensors& tensors) {
  TreeWriter writer(tensors);
  const Json document{{"version", 1}, {"root", writer.node(state, "", 0)}};
  try {
    return document.dump();
  } catch (const nlohmann::json::type_error&) {
    fail<ValueError>("save: some text is not UTF-8; save it as bytes");
  }
}

State read_tree(std::string_view text, const std::string& source,
                const std::function<Tensor(const std::string&)>& tensor, const Placement& placement) {
  check<IOError>(!too_deep(text), source, ": the tree is nested too deeply");
  const Json document = Json::parse(text.begin(), text.end(), nullptr, false);
  const bool whole = document.is_object() && document.contains("version") && document.contains("root");
  check<IOError>(whole && document["version"].is_number_integer(), source, ": the entry ", tree_key,
                 " of its metadata is damaged");
  check<IOError>(document["version"] == 1, source, ": was saved by a newer version of Taper");
  return TreeReader(source, tensor, placement).node(document["root"], 0);
}

}  // namespace taper::io
