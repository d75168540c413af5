// Fields: the named values of an optimizer or a schedule on their way into a State or out of one.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "taper/state.h"

namespace taper::optim {

/// One description of what there is serves both directions. Names that a State lacks leave the value as it
/// is. Throws ValueError for values of another kind.
class Fields {
 public:
  static Fields reading(const State& from) { return Fields(const_cast<State&>(from), true); }
  static Fields writing(State& to) { return Fields(to, false); }

  void operator()(const char* name, double& value);
  void operator()(const char* name, bool& value);
  void operator()(const char* name, std::int64_t& value);
  void operator()(const char* name, std::vector<double>& values);
  void operator()(const char* name, State& value);
  /// Text; "" stands for nothing.
  void operator()(const char* name, std::string& value);
  /// Numbers as one tuple.
  void tuple(const char* name, std::initializer_list<double*> values);
  /// What Python's optimizers keep, and this one has no use for; written only.
  void unused(std::initializer_list<const char*> flags_and_none);

  /// Null where the State is written, or lacks the name.
  const State* find(const char* name) const { return reading_ ? state_.find(name) : nullptr; }
  bool is_reading() const { return reading_; }
  void write(const char* name, State value) { state_[name] = std::move(value); }

 private:
  Fields(State& state, bool reading) : state_(state), reading_(reading) {}
  State& state_;
  bool reading_;
};

/// A number, which may be a tensor of one element.
double number(const State& state);

/// Throws ValueError for a negative or undefined value.
void check_not_negative(const char* optimizer, std::initializer_list<std::pair<const char*, double>> values);
/// Throws ValueError for a value outside of [0, 1).
void check_betas(const char* optimizer, double beta1, double beta2);

}  // namespace taper::optim
