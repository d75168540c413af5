// Parsing the JSON header of a safetensors file: one pass, no recursion, no document tree.
#include "io/safetensors_header.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "taper/error.h"

namespace taper::io {
namespace {

constexpr int max_dims = 64;

std::optional<DType> parse_dtype(std::string_view text) {
  for (int i = 0; i < dtype_count; ++i)
    if (DType(i) != DType::complex128 && safetensors_dtype(DType(i)) == text) return DType(i);
  return std::nullopt;
}

// Takes the parser's events. The header nests at most three deep, so a deeper one is refused at once.
class HeaderEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderEvents(SafetensorsHeader& header, const std::string& source) : header_(header), source_(source) {}

  bool start_object(std::size_t) override {
    if (depth_ == 0 || (depth_ == 1 && !in_array_)) {
      if (++depth_ == 2) begin_entry();
      return true;
    }
    refuse("an object");
  }

  bool end_object() override {
    if (depth_-- == 2 && !in_metadata_) finish_tensor();
    return true;
  }

  bool key(std::string& text) override {
    if (depth_ == 1) {
      check<IOError>(names_.insert(text).second, source_, ": the header has ", Quote{text}, " twice");
      entry_ = text;
    } else if (in_metadata_) {
      check<IOError>(metadata_keys_.insert(text).second, source_, ": the header's metadata has ", Quote{text},
                     " twice");
      field_ = text;
    } else {
      field_ = text;
      bool& seen = field_ == "dtype" ? has_dtype_ : field_ == "shape" ? has_shape_ : has_offsets_;
      check<IOError>(field_ == "dtype" || field_ == "shape" || field_ == "data_offsets", source_, ": tensor ",
                     Quote{entry_}, " has an unknown field ", Quote{field_});
      check<IOError>(!seen, source_, ": tensor ", Quote{entry_}, " has ", Quote{field_}, " twice");
      seen = true;
    }
    return true;
  }

  bool string(std::string& text) override {
    if (depth_ == 2 && in_metadata_) {
      header_.metadata.emplace_back(field_, text);
      return true;
    }
    if (depth_ != 2 || field_ != "dtype") refuse("a string");
    const auto dtype = parse_dtype(text);
    check<IOError>(dtype.has_value(), source_, ": tensor ", Quote{entry_}, " has dtype ", Quote{text},
                   ", which Taper does not have");
    tensor_.dtype = *dtype;
    return true;
  }

  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_metadata_ || in_array_ || field_ == "dtype") refuse("an array");
    in_array_ = true;
    return true;
  }

  bool end_array() override {
    in_array_ = false;
    return true;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (!in_array_) refuse("a number");
    check<IOError>(value <= std::uint64_t(std::numeric_limits<std::int64_t>::max()), source_, ": tensor ",
                   Quote{entry_}, " has ", value, " in ", Quote{field_}, ", which is too large");
    if (field_ == "shape") {
      check<IOError>(tensor_.shape.size() < max_dims, source_, ": tensor ", Quote{entry_}, " has more than ",
                     max_dims, " dimensions");
      tensor_.shape.push_back(std::int64_t(value));
    } else {
      check<IOError>(offsets_ < 2, source_, ": tensor ", Quote{entry_}, " has more than two data_offsets");
      (offsets_++ == 0 ? tensor_.begin : tensor_.end) = value;
    }
    return true;
  }

  bool null() override { refuse("null"); }
  bool boolean(bool) override { refuse("a boolean"); }
  bool number_integer(std::int64_t value) override { refuse(concat("the number ", value)); }
  bool number_float(double, const std::string&) override { refuse("a number that is not an integer"); }
  bool binary(binary_t&) override { refuse("binary data"); }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail<IOError>(source_, ": the header is not valid JSON at its byte ", position);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    if (depth_ == 0) fail<IOError>(source_, ": the header is ", what, ", not an object");
    if (depth_ == 1)
      fail<IOError>(source_, ": the header's entry ", Quote{entry_}, " is ", what, ", not an object");
    fail<IOError>(source_, ": the header's entry ", Quote{entry_}, " has ", what, " in ", Quote{field_});
  }

  void begin_entry() {
    in_metadata_ = entry_ == "__metadata__";
    tensor_ = {};
    tensor_.name = entry_;
    has_dtype_ = has_shape_ = has_offsets_ = false;
    offsets_ = 0;
    field_.clear();
  }

  void finish_tensor() {
    const char* missing = !has_dtype_     ? "dtype"
                          : !has_shape_   ? "shape"
                          : offsets_ != 2 ? "data_offsets"
                                          : nullptr;
    if (missing) fail<IOError>(source_, ": tensor ", Quote{entry_}, " lacks its ", missing);
    header_.tensors.push_back(std::move(tensor_));
  }

  SafetensorsHeader& header_;
  const std::string& source_;
  int depth_ = 0;  // of objects
  bool in_array_ = false, in_metadata_ = false;
  std::string entry_, field_;
  TensorInfo tensor_;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
  int offsets_ = 0;
  std::unordered_set<std::string> names_, metadata_keys_;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, const std::string& source) {
  SafetensorsHeader header;
  HeaderEvents events(header, source);
  nlohmann::json::sax_parse(text.begin(), text.end(), &events);
  return header;
}

}  // namespace taper::io
