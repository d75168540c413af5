// Named values into a State and out of one; checks of options.
#include "optim/fields.h"

#include "taper/error.h"

namespace taper::optim {

double number(const State& state) {
  return state.is_tensor() ? state.as_tensor().item<double>() : state.as_double();
}

void Fields::operator()(const char* name, double& value) {
  if (!reading_) write(name, value);
  else if (const State* found = find(name)) value = number(*found);
}

void Fields::operator()(const char* name, bool& value) {
  if (!reading_) write(name, value);
  else if (const State* found = find(name)) value = found->as_bool();
}

void Fields::operator()(const char* name, std::int64_t& value) {
  if (!reading_) write(name, value);
  else if (const State* found = find(name)) value = std::int64_t(number(*found));
}

void Fields::operator()(const char* name, std::vector<double>& values) {
  if (!reading_) {
    State list = State::list();
    for (const double value : values) list.as_list().push_back(value);
    write(name, std::move(list));
  } else if (const State* found = find(name)) {
    values.clear();
    for (const State& item : found->as_list()) values.push_back(number(item));
  }
}

void Fields::operator()(const char* name, State& value) {
  if (!reading_) write(name, value);
  else if (const State* found = find(name)) value = *found;
}

void Fields::operator()(const char* name, std::string& value) {
  if (!reading_) write(name, value.empty() ? State() : State(value));
  else if (const State* found = find(name)) value = found->is_none() ? "" : found->as_text();
}

void Fields::tuple(const char* name, std::initializer_list<double*> values) {
  if (!reading_) {
    State::List list;
    for (const double* value : values) list.push_back(*value);
    write(name, State::tuple(std::move(list)));
  } else if (const State* found = find(name)) {
    std::size_t i = 0;
    for (double* value : values) *value = number(found->at(i++));
  }
}

void Fields::unused(std::initializer_list<const char*> names) {
  if (reading_) return;
  // What is chosen by its presence is None in Python, the others are switches.
  for (const std::string_view name : names)
    state_[name] = name == "foreach" || name == "fused" ? State() : State(false);
}

void check_not_negative(const char* optimizer, std::initializer_list<std::pair<const char*, double>> values) {
  for (const auto& [name, value] : values)
    check<ValueError>(value >= 0, optimizer, ": ", name, " is ", value, "; it must not be negative");
}

void check_betas(const char* optimizer, double beta1, double beta2) {
  check<ValueError>(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1, optimizer, ": betas ", beta1, " and ",
                    beta2, " must be in [0, 1)");
}

}  // namespace taper::optim
