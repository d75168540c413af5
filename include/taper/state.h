// State: a nested value of numbers, text, tensors, lists and dictionaries; what checkpoints are made of.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "taper/tensor.h"

namespace taper {

/// One value: nothing, a bool, integer, float, text, bytes, tensor, list or dictionary. Dictionaries keep
/// their order and take any value as key. Copying copies all but the tensors' elements.
///
///     State state = State::dict();
///     state["lr"] = 0.1;
///     state["momentum"] = State::list({buffer, buffer});
///     double lr = state.at("lr").as_double();
///
/// The tag names a Python type that is more special than the value itself: a list tagged "tuple", a
/// dictionary tagged "OrderedDict". C++ code may ignore it.
class State {
 public:
  struct Bytes {
    std::string content;
    friend bool operator==(const Bytes&, const Bytes&) = default;
  };
  using List = std::vector<State>;
  using Dict = std::vector<std::pair<State, State>>;

  State() = default;
  State(std::same_as<bool> auto value) : value_(value) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) State(T value) : value_(std::int64_t(value)) {}
  State(std::floating_point auto value) : value_(double(value)) {}
  State(const char* text) : value_(std::string(text)) {}
  State(std::string text) : value_(std::move(text)) {}
  State(Bytes bytes) : value_(std::move(bytes)) {}
  State(Tensor tensor) : value_(std::move(tensor)) {}

  static State list(List items = {}) { return State(Value(std::move(items))); }
  static State dict(Dict items = {}) { return State(Value(std::move(items))); }
  /// A list tagged "tuple".
  static State tuple(List items) { return list(std::move(items)).tagged("tuple"); }

  bool is_none() const { return is<std::monostate>(); }
  bool is_bool() const { return is<bool>(); }
  bool is_int() const { return is<std::int64_t>(); }
  bool is_double() const { return is<double>(); }
  bool is_text() const { return is<std::string>(); }
  bool is_bytes() const { return is<Bytes>(); }
  bool is_tensor() const { return is<Tensor>(); }
  bool is_list() const { return is<List>(); }
  bool is_dict() const { return is<Dict>(); }
  /// "an integer", "a list", ...
  std::string_view description() const;

  /// Each throws ValueError if the value is of another kind. as_double takes integers too.
  bool as_bool() const { return get<bool>("a bool"); }
  std::int64_t as_int() const { return get<std::int64_t>("an integer"); }
  double as_double() const;
  const std::string& as_text() const { return get<std::string>("text"); }
  const std::string& as_bytes() const { return get<Bytes>("bytes").content; }
  const Tensor& as_tensor() const { return get<Tensor>("a tensor"); }
  const List& as_list() const { return get<List>("a list"); }
  List& as_list() { return const_cast<List&>(std::as_const(*this).as_list()); }
  const Dict& as_dict() const { return get<Dict>("a dictionary"); }
  Dict& as_dict() { return const_cast<Dict&>(std::as_const(*this).as_dict()); }

  /// The entry of a dictionary, null if it has none.
  const State* find(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  /// Throws IndexError naming the keys there are.
  const State& at(std::string_view key) const;
  /// The entry of a dictionary, added at its end if new. Nothing becomes an empty dictionary.
  State& operator[](std::string_view key);
  /// The item of a list. Throws IndexError.
  const State& at(std::size_t index) const;
  /// Entries of a list or dictionary.
  std::size_t size() const;

  const std::string& tag() const { return tag_; }
  State tagged(std::string tag) && {
    tag_ = std::move(tag);
    return std::move(*this);
  }

  /// Equal kinds, values and tags; tensors are equal if they are the same tensor.
  friend bool operator==(const State& a, const State& b);

 private:
  using Value =
      std::variant<std::monostate, bool, std::int64_t, double, std::string, Bytes, Tensor, List, Dict>;
  explicit State(Value value) : value_(std::move(value)) {}
  template <class T>
  bool is() const {
    return std::holds_alternative<T>(value_);
  }
  template <class T>
  const T& get(const char* wanted) const {
    if (const T* value = std::get_if<T>(&value_)) return *value;
    fail_kind(wanted);
  }
  [[noreturn]] void fail_kind(const char* wanted) const;

  Value value_;
  std::string tag_;
};

}  // namespace taper
