// The registry: every operation's signature, documentation, samples and type-erased call, in one list that
// the language bindings, stubs, generic tests and graph capture walk.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "taper/error.h"
#include "taper/generator.h"
#include "taper/tensor.h"

namespace taper {

using OptionalTensors = std::vector<std::optional<Tensor>>;

/// An argument or result of a type-erased call. std::monostate is None.
using Value = std::variant<std::monostate, Tensor, Scalar, bool, std::int64_t, double, std::string, Shape,
                           Tensors, std::vector<double>, DType, Device, Generator, OptionalTensors>;

/// Types a signature can name; operand stands for "Tensor or number".
enum class Type : std::uint8_t {
  tensor,
  scalar,
  operand,
  boolean,
  integer,
  real,
  text,
  integers,
  tensors,
  reals,
  dtype,
  device,
  generator,
  optional_tensors
};

struct Parameter {
  std::string name;
  Type type = Type::tensor;
  bool optional = false;
  /// int[2]: a single int stands for two; 0 where any number of ints is meant.
  int count = 0;
  /// int?[2]: entries may be None, which become -1.
  bool entries_optional = false;
  /// int...: may be given as separate positional arguments.
  bool variadic = false;
  bool keyword_only = false;
  bool has_default = false;
  /// As written in the signature.
  std::string default_text;
  Value default_value;
};

struct Signature {
  std::string name;
  std::vector<Parameter> parameters;
  /// Names of the results where there are several; empty strings where unnamed.
  std::vector<std::string> results;
};

/// Parses "name(Tensor input, int[2] stride=1, *, dtype? dtype=None) -> (Tensor values, Tensor indices)".
/// Types: Tensor, Tensor|Scalar, Tensor[], Tensor?[], Scalar, bool, int, int[], int[N], int..., float,
/// float[], str, dtype, device, Generator; "?" behind one allows None. Throws Error on anything else.
Signature parse_signature(std::string_view text);

/// One callable form of an operation. Several of one name are overloads, tried in the order of their
/// registration.
struct Function {
  std::string_view signature;
  std::string_view doc;
  Value (*call)(Value* arguments);
  /// Where users find it: words out of "taper", "Tensor" (method), or a submodule such as "nn.functional".
  std::string_view homes = "taper Tensor";
  /// Python argument lists that the generic test calls it with, separated by ";". x(2, 3) is a random float64
  /// tensor of that shape; tests/python/samples.py lists the other makers.
  std::string_view samples = "";
  /// Python expression of NumPy (np), SciPy (sp) or tests/python/references.py (ref) over the parameter names
  /// that gives the expected value independently.
  std::string_view reference = "";
  /// Argument lists that must be refused, as samples.
  std::string_view errors = "";
  /// False for functions whose gradient is not to be checked by finite differences (random, integer valued).
  bool differentiable = true;
  /// Whether Tensor also has name_, which writes the result into its first argument.
  bool inplace = false;
};

/// All functions in the order of their registration.
const std::vector<Function>& all_functions();

/// Adds a function to the registry when the library is loaded.
struct Register {
  Register(Function function);
};

namespace detail {

template <class T>
T& held(Value& value) {
  return *std::get_if<T>(&value);
}

template <class T>
T unbox(Value& value) {
  if constexpr (std::is_same_v<T, Value>) return value;
  else if constexpr (std::is_same_v<T, std::string_view>) return std::string_view(held<std::string>(value));
  else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) return T(held<std::int64_t>(value));
  else if constexpr (requires {
                       typename T::value_type;
                       T(std::nullopt);
                     }) {
    if (std::holds_alternative<std::monostate>(value)) return std::nullopt;
    return unbox<typename T::value_type>(value);
  } else {
    return held<T>(value);
  }
}

/// A parameter of C++ type T out of a Value. Tensors and lists go by reference, without touching a count;
/// None is the undefined tensor.
template <class T>
decltype(auto) argument(Value& value) {
  using Plain = std::remove_cvref_t<T>;
  if constexpr (std::is_same_v<Plain, Tensor>) {
    static const Tensor none;
    const Tensor* tensor = std::get_if<Tensor>(&value);
    return static_cast<const Tensor&>(tensor ? *tensor : none);
  } else if constexpr (std::is_same_v<Plain, Shape> || std::is_same_v<Plain, Tensors> ||
                       std::is_same_v<Plain, Scalar> || std::is_same_v<Plain, Generator>) {
    return static_cast<const Plain&>(held<Plain>(value));
  } else {
    return unbox<Plain>(value);
  }
}

inline Value boxed_result(Tensor result) { return Value(std::move(result)); }
inline Value boxed_result(const Tensor* result) { return Value(*result); }
inline Value boxed_result(Tensors results) { return Value(std::move(results)); }
template <class... T>
Value boxed_result(std::tuple<T...> results) {
  Tensors list;
  std::apply([&](T&... result) { (list.push_back(std::move(result)), ...); }, results);
  return Value(std::move(list));
}
template <std::size_t n>
Value boxed_result(std::array<Tensor, n> results) {
  return Value(Tensors(results.begin(), results.end()));
}
template <class T>
Value boxed_result(T result) {
  return Value(std::move(result));
}

template <auto function, class Result, class... Parameters, std::size_t... index>
Value call_boxed([[maybe_unused]] Value* arguments, Result (*)(Parameters...),
                 std::index_sequence<index...>) {
  if constexpr (std::is_void_v<Result>) {
    function(argument<Parameters>(arguments[index])...);
    return Value();
  } else {
    return boxed_result(function(argument<Parameters>(arguments[index])...));
  }
}

template <class Result, class... Parameters>
constexpr std::size_t arity(Result (*)(Parameters...)) {
  return sizeof...(Parameters);
}

}  // namespace detail

/// The type-erased form of a C++ function whose parameters are in the order of the signature: box<exp>, or
/// box<overload<Tensor(const Tensor&)>(sum)> where the name is overloaded.
template <auto function>
Value box(Value* arguments) {
  return detail::call_boxed<function>(arguments, function,
                                      std::make_index_sequence<detail::arity(function)>());
}

template <class F>
constexpr F* overload(F* function) {
  return function;
}

}  // namespace taper
