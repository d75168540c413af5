// Access to the entries of a State.
#include "taper/state.h"

#include "taper/error.h"

namespace taper {

std::string_view State::description() const {
  constexpr std::string_view names[] = {"nothing", "a bool",   "an integer", "a float",     "text",
                                        "bytes",   "a tensor", "a list",     "a dictionary"};
  return names[value_.index()];
}

void State::fail_kind(const char* wanted) const {
  fail<ValueError>("state: expected ", wanted, ", found ", description());
}

double State::as_double() const {
  if (const auto* integer = std::get_if<std::int64_t>(&value_)) return double(*integer);
  return get<double>("a float");
}

const State* State::find(std::string_view key) const {
  for (const auto& [name, value] : as_dict())
    if (name.is_text() && name.as_text() == key) return &value;
  return nullptr;
}

const State& State::at(std::string_view key) const {
  if (const State* value = find(key)) return *value;
  std::string keys;
  for (const auto& [name, value] : as_dict()) {
    if (keys.size() > 200) {
      keys += ", ...";
      break;
    }
    keys +=
        concat(keys.empty() ? "" : ", ", name.is_text() ? name.as_text() : std::string(name.description()));
  }
  fail<IndexError>("state: there is no '", key, "'; the keys are: ", keys.empty() ? "none" : keys);
}

State& State::operator[](std::string_view key) {
  if (is_none()) value_ = Dict();
  if (const State* value = find(key)) return const_cast<State&>(*value);
  return as_dict().emplace_back(std::string(key), State()).second;
}

const State& State::at(std::size_t index) const {
  const List& items = as_list();
  check<IndexError>(index < items.size(), "state: index ", index, " of a list of ", items.size(), " items");
  return items[index];
}

std::size_t State::size() const { return is_dict() ? as_dict().size() : as_list().size(); }

bool operator==(const State& a, const State& b) {
  if (a.value_.index() != b.value_.index() || a.tag_ != b.tag_) return false;
  if (a.is_tensor()) return a.as_tensor().is(b.as_tensor());
  if (a.is_list()) return a.as_list() == b.as_list();
  if (a.is_dict()) return a.as_dict() == b.as_dict();
  if (a.is_double()) return a.as_double() == b.as_double();
  if (a.is_int()) return a.as_int() == b.as_int();
  if (a.is_bool()) return a.as_bool() == b.as_bool();
  if (a.is_text()) return a.as_text() == b.as_text();
  return !a.is_bytes() || a.as_bytes() == b.as_bytes();
}

}  // namespace taper
