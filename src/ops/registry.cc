// The list of functions and the parser of their signatures.
#include "ops/registry.h"

#include <algorithm>
#include <charconv>

namespace taper {

namespace {

std::vector<Function>& functions() {
  static std::vector<Function> list;
  return list;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// Splits at commas that stand outside of brackets and quotes.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  bool quoted = false;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\'') quoted = !quoted;
    if (quoted) continue;
    if (c == '[' || c == '(') ++depth;
    if (c == ']' || c == ')') --depth;
    if (c != ',' || depth) continue;
    parts.push_back(trimmed(text.substr(start, i - start)));
    start = i + 1;
  }
  if (!trimmed(text.substr(start)).empty()) parts.push_back(trimmed(text.substr(start)));
  return parts;
}

constexpr std::pair<std::string_view, Type> types[] = {{"Tensor|Scalar", Type::operand},
                                                       {"Tensor?[]", Type::optional_tensors},
                                                       {"Tensor[]", Type::tensors},
                                                       {"Tensor", Type::tensor},
                                                       {"Scalar", Type::scalar},
                                                       {"bool", Type::boolean},
                                                       {"int[]", Type::integers},
                                                       {"int...", Type::integers},
                                                       {"int", Type::integer},
                                                       {"float[]", Type::reals},
                                                       {"float", Type::real},
                                                       {"str", Type::text},
                                                       {"dtype", Type::dtype},
                                                       {"device", Type::device},
                                                       {"Generator", Type::generator}};

Type parse_type(std::string_view text, Parameter& parameter, std::string_view signature) {
  if (text.ends_with('?')) {
    parameter.optional = true;
    text.remove_suffix(1);
  }
  parameter.entries_optional = text.starts_with("int?[");
  if ((text.starts_with("int[") && text != "int[]") || parameter.entries_optional) {
    std::from_chars(text.data() + text.find('[') + 1, text.data() + text.size(), parameter.count);
    return Type::integers;
  }
  parameter.variadic = text == "int...";
  for (const auto& [name, type] : types)
    if (name == text) return type;
  fail("signature '", signature, "': unknown type '", text, "'");
}

template <class T>
T number(std::string_view text) {
  T value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Shape integers(std::string_view text, int count) {
  if (!text.starts_with('[')) return Shape::filled(std::max(count, 1), number<std::int64_t>(text));
  Shape values;
  for (const auto part : split(text.substr(1, text.size() - 2))) values.push_back(number<std::int64_t>(part));
  return values;
}

Scalar scalar(std::string_view text) {
  if (text == "True" || text == "False") return Scalar(text == "True");
  if (text.find_first_of(".einf") == std::string_view::npos) return Scalar(number<std::int64_t>(text));
  return Scalar(number<double>(text));
}

Value parse_default(const Parameter& parameter, std::string_view text, std::string_view signature) {
  if (text == "None") return {};
  switch (parameter.type) {
    case Type::scalar:
    case Type::operand: return scalar(text);
    case Type::boolean: return text == "True";
    case Type::integer: return number<std::int64_t>(text);
    case Type::real: return number<double>(text);
    case Type::text: return std::string(text.substr(1, text.size() - 2));
    case Type::integers: return integers(text, parameter.count);
    case Type::dtype: return dtype_from_name(text);
    default:
      fail("signature '", signature, "': parameter ", parameter.name, " cannot have the default ", text);
  }
}

Parameter parse_parameter(std::string_view text, bool keyword_only, std::string_view signature) {
  Parameter parameter;
  parameter.keyword_only = keyword_only;
  const auto space = text.find(' ');
  check(space != std::string_view::npos, "signature '", signature, "': '", text, "' needs a type and a name");
  parameter.type = parse_type(text.substr(0, space), parameter, signature);
  const auto equals = text.find('=');
  const bool plain = equals == std::string_view::npos;
  parameter.name = trimmed(text.substr(space, plain ? equals : equals - space));
  if (plain) return parameter;
  parameter.has_default = true;
  parameter.default_text = trimmed(text.substr(equals + 1));
  parameter.default_value = parse_default(parameter, parameter.default_text, signature);
  return parameter;
}

}  // namespace

Signature parse_signature(std::string_view text) {
  Signature signature;
  const auto open = text.find('(');
  const auto arrow = text.find(") -> ");
  check(open != std::string_view::npos && arrow != std::string_view::npos, "signature '", text,
        "': expected 'name(...) -> ...'");
  signature.name = trimmed(text.substr(0, open));
  bool keyword_only = false;
  for (const auto part : split(text.substr(open + 1, arrow - open - 1))) {
    if (part == "*") keyword_only = true;
    else signature.parameters.push_back(parse_parameter(part, keyword_only, text));
  }
  const std::string_view results = trimmed(text.substr(arrow + 5));
  if (!results.starts_with('(')) return signature;
  for (const auto part : split(results.substr(1, results.size() - 2))) {
    const auto space = part.find(' ');
    signature.results.emplace_back(space == std::string_view::npos ? "" : trimmed(part.substr(space)));
  }
  return signature;
}

const std::vector<Function>& all_functions() { return functions(); }

Register::Register(Function function) { functions().push_back(function); }

}  // namespace taper
