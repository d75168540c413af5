// NumPy's .npy format on raw memory.
#pragma once

#include <cstdint>
#include <string>

#include "io/stream.h"
#include "taper/dtype.h"
#include "taper/shape.h"

namespace taper::io {

/// What stands before the numbers of a .npy file.
struct NpyHeader {
  DType dtype = DType::float32;
  Shape shape;
  bool fortran_order = false;  // the first index varies fastest
  bool swapped = false;        // big endian
  std::uint64_t bytes = 0;     // of the numbers
};

/// Reads the header of a .npy file (versions 1 to 3) and checks that the stream holds exactly the numbers
/// after it. Throws IOError if the file is damaged or truncated, or holds something that is not numbers
/// (pickled objects, text, records). Source: NumPy, numpy/lib/format.py, "Format Version 1.0" to 3.0.
NpyHeader read_npy_header(Stream& stream);

/// Reads the numbers into destination in the file's order of indices, in this machine's byte order.
void read_npy_data(Stream& stream, const NpyHeader& header, void* destination);

/// The magic string and header of a row-major array, padded so that the numbers begin at a multiple of 64.
/// Throws DTypeError for bfloat16, which NumPy lacks.
std::string npy_header(DType dtype, const Shape& shape);

}  // namespace taper::io
