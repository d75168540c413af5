// Options that are given once, or once for each dimension.
#pragma once

#include "taper/error.h"
#include "taper/shape.h"

namespace taper {

/// The value of each of `count` dimensions. Throws ValueError naming op and what.
inline Shape per_dimension(const Shape& values, int count, const char* op, const char* what) {
  check<ValueError>(values.size() == count || values.size() == 1, op, ": ", what, " must be one number or ",
                    count, ", got ", values);
  return values.size() == count ? values : Shape::filled(count, values[0]);
}

}  // namespace taper
