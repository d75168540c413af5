// Reading and writing NumPy's .npy format.
#include "io/npy.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <optional>
#include <string_view>

#include "taper/error.h"

namespace taper::io {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::uint32_t max_header = 1 << 20;
constexpr int max_dims = 64;

// The header is a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const Stream& stream) : text_(text), stream_(stream) {}

  NpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':');
      if (key == "descr" && !has_descr_) parse_descr();
      else if (key == "fortran_order" && !has_order_) parse_order();
      else if (key == "shape" && !has_shape_) parse_shape();
      else refuse("has an unknown or repeated key");
      if (!accept(',') && peek() != '}') refuse("lacks a comma");
    }
    if (peek()) refuse("goes on after its end");
    if (!has_descr_ || !has_order_ || !has_shape_) refuse("lacks 'descr', 'fortran_order' or 'shape'");
    return header_;
  }

 private:
  [[noreturn]] void refuse(const char* problem) const {
    fail<IOError>(stream_.name(), ": the .npy header ", problem, " (at its byte ", position_, ")");
  }
  char peek() {
    while (position_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[position_])))
      ++position_;
    return position_ < text_.size() ? text_[position_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++position_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) refuse("is not a dictionary of the right form");
  }

  std::string_view string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') refuse("lacks a string");
    const std::size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) refuse("has a string without end");
    const std::string_view value = text_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    return value;
  }

  void parse_descr() {
    has_descr_ = true;
    if (peek() == '[' || peek() == '(')
      fail<IOError>(stream_.name(),
                    ": holds records (a structured dtype); save its fields as separate arrays");
    const std::string_view descr = string();
    if (!set_dtype(descr)) fail_dtype(descr);
  }

  bool set_dtype(std::string_view descr) {
    if (descr.size() < 3 || descr.size() > 4) return false;
    const char order = descr[0];
    if (order != '<' && order != '>' && order != '|' && order != '=') return false;
    struct Row {
      std::string_view text;
      DType dtype;
    };
    static constexpr Row rows[] = {
        {"b1", DType::boolean},   {"u1", DType::uint8},      {"u2", DType::uint16},  {"u4", DType::uint32},
        {"u8", DType::uint64},    {"i1", DType::int8},       {"i2", DType::int16},   {"i4", DType::int32},
        {"i8", DType::int64},     {"f2", DType::float16},    {"f4", DType::float32}, {"f8", DType::float64},
        {"c8", DType::complex64}, {"c16", DType::complex128}};
    for (const Row& row : rows)
      if (row.text == descr.substr(1)) {
        header_.dtype = row.dtype;
        header_.swapped = order == '>' && item_size(row.dtype) > 1;
        return true;
      }
    return false;
  }

  [[noreturn]] void fail_dtype(std::string_view descr) const {
    std::string shown;  // only what a message can show
    for (const char c : descr.substr(0, 20)) shown += c >= ' ' && c <= '~' ? c : '?';
    const bool objects = descr.find('O') != std::string_view::npos;
    fail<IOError>(stream_.name(), ": holds elements of NumPy dtype '", shown, "', ",
                  objects ? "pickled Python objects, which are never loaded" : "which Taper does not have");
  }

  void parse_order() {
    has_order_ = true;
    peek();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(position_, word.size()) != word) continue;
      position_ += word.size();
      header_.fortran_order = value;
      return;
    }
    refuse("has a 'fortran_order' that is neither True nor False");
  }

  void parse_shape() {
    has_shape_ = true;
    expect('(');
    while (!accept(')')) {
      if (header_.shape.size() == max_dims) refuse("has too many dimensions");
      header_.shape.push_back(integer());
      if (!accept(',') && peek() != ')') refuse("has a shape that is not a tuple of integers");
    }
  }

  std::int64_t integer() {
    if (!std::isdigit(static_cast<unsigned char>(peek()))) refuse("has a shape that is not a tuple of sizes");
    std::int64_t value = 0;
    for (; position_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[position_]));
         ++position_)
      if (__builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, text_[position_] - '0', &value))
        refuse("has a size that is too large");
    accept('L');  // Python 2 wrote long integers so
    return value;
  }

  std::string_view text_;
  const Stream& stream_;
  std::size_t position_ = 0;
  NpyHeader header_;
  bool has_descr_ = false, has_order_ = false, has_shape_ = false;
};

template <std::size_t size>
void swap_bytes(char* data, std::uint64_t bytes) {
  for (char* p = data; p < data + bytes; p += size) std::reverse(p, p + size);
}

void swap_bytes(char* data, std::uint64_t bytes, std::int64_t item) {
  if (item == 2) swap_bytes<2>(data, bytes);
  else if (item == 4) swap_bytes<4>(data, bytes);
  else if (item == 8) swap_bytes<8>(data, bytes);
}

}  // namespace

NpyHeader read_npy_header(Stream& stream) {
  char start[8];
  check<IOError>(stream.size() >= sizeof start, stream.name(), " has ", stream.size(),
                 " bytes and is no .npy file");
  stream.read(start, sizeof start);
  check<IOError>(std::string_view(start, 6) == magic, stream.name(),
                 " is no .npy file: it does not begin with \\x93NUMPY");
  const int version = start[6];
  check<IOError>(version >= 1 && version <= 3 && start[7] == 0, stream.name(), ": version ", version, ".",
                 int(start[7]), " of the .npy format is unknown; 1.0 to 3.0 can be read");
  std::uint32_t length = 0;
  stream.read(&length, version == 1 ? 2 : 4);
  check<IOError>(length <= max_header, stream.name(), ": the .npy header claims ", length, " bytes; at most ",
                 max_header, " are allowed");
  std::string text(length, '\0');
  stream.read(text.data(), length);

  NpyHeader header = HeaderParser(text, stream).parse();
  header.bytes = std::uint64_t(item_size(header.dtype));
  bool overflow = false;
  for (const std::int64_t size : header.shape)
    overflow |= __builtin_mul_overflow(header.bytes, std::uint64_t(size), &header.bytes);
  check<IOError>(!overflow, stream.name(), ": an array of shape ", header.shape,
                 " has more bytes than can be counted");
  check<IOError>(stream.left() >= header.bytes, stream.name(), " is truncated: ", header.shape, " of ",
                 header.dtype, " needs ", header.bytes, " bytes but ", stream.left(), " follow the header");
  check<IOError>(stream.left() == header.bytes, stream.name(), " has ", stream.left() - header.bytes,
                 " bytes after its array");
  return header;
}

void read_npy_data(Stream& stream, const NpyHeader& header, void* destination) {
  auto* data = static_cast<char*>(destination);
  stream.read(data, header.bytes);
  stream.finish();
  if (header.swapped) swap_bytes(data, header.bytes, item_size(real_dtype(header.dtype)));
  if (header.dtype == DType::boolean)  // bytes other than 0 and 1 are no bool in C++
    std::transform(data, data + header.bytes, data, [](char c) { return char(c != 0); });
}

std::string npy_header(DType dtype, const Shape& shape) {
  check<DTypeError>(dtype != DType::bfloat16,
                    "npy: NumPy has no bfloat16; convert the tensor to float32, or save it as safetensors");
  const Kind k = kind(dtype);
  const char letter = k == Kind::boolean    ? 'b'
                      : k == Kind::floating ? 'f'
                      : k == Kind::complex  ? 'c'
                      : is_signed(dtype)    ? 'i'
                                            : 'u';
  std::string text = concat("{'descr': '", item_size(dtype) == 1 ? "|" : "<", std::string(1, letter),
                            item_size(dtype), "', 'fortran_order': False, 'shape': ", shape, ", }");
  const bool long_header = text.size() + 128 > std::numeric_limits<std::uint16_t>::max();
  const std::size_t prefix = magic.size() + 2 + (long_header ? 4 : 2);
  const std::size_t total = (prefix + text.size() + 1 + 63) / 64 * 64;
  text.append(total - prefix - text.size() - 1, ' ').append("\n");

  std::string header(magic);
  header += char(long_header ? 2 : 1);
  header += '\0';
  for (std::size_t i = 0; i < (long_header ? 4u : 2u); ++i) header += char((text.size() >> (8 * i)) & 0xff);
  return header + text;
}

}  // namespace taper::io
