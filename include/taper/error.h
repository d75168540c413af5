// The exceptions Taper throws and the one function that throws them.
#pragma once

#include <complex>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace taper {

/// Root of every exception thrown by Taper. In Python: a RuntimeError.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Sizes that do not fit together. In Python also a ValueError.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// An element type the operation does not take. In Python also a TypeError.
class DTypeError : public Error {
 public:
  using Error::Error;
};

/// A device that is missing, or operands on different devices.
class DeviceError : public Error {
 public:
  using Error::Error;
};

/// An index, or a dimension number, outside its range. In Python also an IndexError.
class IndexError : public Error {
 public:
  using Error::Error;
};

/// An argument outside the values the operation takes. In Python also a ValueError.
class ValueError : public Error {
 public:
  using Error::Error;
};

/// A gradient that cannot be computed: no graph, graph already freed, saved tensor overwritten.
class AutogradError : public Error {
 public:
  using Error::Error;
};

/// A file that cannot be read or written, or whose content is damaged. In Python also an OSError.
class IOError : public Error {
 public:
  using Error::Error;
};

/// A collective that failed: a lost rank, a timeout, ranks that disagree.
class DistributedError : public Error {
 public:
  using Error::Error;
};

/// Memory for a tensor could not be obtained. In Python also a MemoryError.
class OutOfMemory : public Error {
 public:
  using Error::Error;
};

/// An operation that does not exist for these operands. In Python also a NotImplementedError.
class NotImplementedError : public Error {
 public:
  using Error::Error;
};

void append_text(std::string& text, std::string_view part);
void append_text(std::string& text, bool value);
void append_text(std::string& text, double value);
void append_text(std::string& text, std::int64_t value);
void append_text(std::string& text, std::uint64_t value);
void append_text(std::string& text, std::complex<double> value);

namespace detail {

template <class Part>
void append_part(std::string& text, const Part& part) {
  if constexpr (std::is_convertible_v<const Part&, std::string_view>)
    append_text(text, std::string_view(part));
  else if constexpr (std::is_same_v<Part, bool>) append_text(text, part);
  else if constexpr (std::is_integral_v<Part> && std::is_signed_v<Part>)
    append_text(text, std::int64_t(part));
  else if constexpr (std::is_integral_v<Part>) append_text(text, std::uint64_t(part));
  else if constexpr (std::is_floating_point_v<Part>) append_text(text, double(part));
  else append_text(text, part);
}

/// " (at mnist.cc:42)": the line of the program that called into Taper, or "" where that is not known.
std::string caller_line();

}  // namespace detail

/// Whether messages end in the line of the program that called into Taper; on at first. It takes a build with
/// line tables (-g1 or -g, which the CMake target adds) and costs nothing until something is thrown.
void set_error_lines(bool enabled);

/// The parts written one after another: strings as they are, shapes as (2, 3), dtypes by name.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string text;
  (detail::append_part(text, parts), ...);
  return text;
}

/// Throws E with the parts, and the caller's line, as its message. The text is built here only, so a check
/// that holds costs a branch.
template <class E = Error, class... Parts>
[[noreturn, gnu::noinline, gnu::cold]] void fail(const Parts&... parts) {
  throw E(concat(parts...) + detail::caller_line());
}

/// Throws E unless ok holds.
template <class E = Error, class... Parts>
inline void check(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    fail<E>(parts...);
}

}  // namespace taper
