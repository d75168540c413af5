// Puts a module's variables into device memory.
#include <cstring>
#include <stdexcept>

#include "executor.h"

namespace device_sim {
namespace {

uint64_t value_of(Module& module, const Variable& variable) {
  if (variable.is_function) return kFunctionWindow + uint64_t(module.function_numbers.at(variable.name));
  if (variable.space == Space::local) return variable.local_offset;
  if (variable.space != Space::global) return 0;  // shared memory is laid out for each kernel
  DeviceMemory& memory = DeviceMemory::instance();
  char* address = memory.allocate(std::max<size_t>(variable.size, 1));
  if (!address) throw std::runtime_error("no device memory is left for " + variable.name);
  const Place place = memory.place(uint64_t(address));
  std::memset(place.data, 0, variable.size);
  std::memset(place.state, byte_initialised, variable.size);
  std::memcpy(place.data, variable.initial.data(), variable.initial.size());
  return uint64_t(address);
}

}  // namespace

void load_module(Module& module) {
  for (const Variable& variable : module.variables)
    module.symbol_values.push_back(value_of(module, variable));
  for (size_t k = 0; k < module.variables.size(); ++k) {
    for (const auto& [offset, name] : module.variables[k].addresses) {
      uint64_t value = 0;
      if (const auto other = module.variable_numbers.find(name); other != module.variable_numbers.end())
        value = module.symbol_values[size_t(other->second)];
      else if (const auto function = module.function_numbers.find(name);
               function != module.function_numbers.end())
        value = kFunctionWindow + uint64_t(function->second);
      else
        throw std::runtime_error("unknown name " + name + " in the initial value of " +
                                 module.variables[k].name);
      std::memcpy(DeviceMemory::instance().place(module.symbol_values[k]).data + offset, &value,
                  sizeof value);
    }
  }
}

}  // namespace device_sim
