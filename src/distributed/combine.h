// How the elements of two ranks are combined, by operator and dtype.
#pragma once

#include <string_view>

#include "distributed/transport.h"
#include "taper/distributed.h"

namespace taper::distributed {

std::string_view name(ReduceOp op);
/// The function for an operator; avg adds. Throws ValueError where the dtype has no such operator.
Combine combine_function(ReduceOp op, DType dtype, const char* collective);
/// Divides count elements by divisor.
void divide(void* data, std::size_t count, DType dtype, int divisor);

}  // namespace taper::distributed
