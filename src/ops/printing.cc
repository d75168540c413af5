// Tensors written out as PyTorch writes them.
#include "taper/printing.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#include "autograd/record.h"
#include "base/visit.h"
#include "taper/error.h"
#include "taper/ops.h"
#include "tensor/layout.h"
#include "tensor/meta.h"

namespace taper {

namespace {

std::mutex options_lock;
PrintOptions current_options;

std::string formatted(const char* format, int precision, double value) {
  char buffer[400];
  std::snprintf(buffer, sizeof(buffer), format, precision, value);
  return buffer;
}

/// Decides once for all elements of a tensor how wide they are and whether they need digits behind the point.
class Formatter {
 public:
  Formatter(const Tensor& values, const PrintOptions& options)
      : options_(options), floating_(values.is_floating_point()) {
    if (!floating_) {
      visit_values(values, [&](const std::string& text) { width_ = std::max(width_, text.size()); });
      return;
    }
    const Tensor wide = contiguous(to(values.detach(), float64));
    const double* numbers = wide.data<double>();
    double smallest = INFINITY, largest = 0;
    bool any = false, integral = true;
    for (std::int64_t i = 0; i < wide.numel(); ++i) {
      const double size = std::abs(numbers[i]);
      if (!std::isfinite(size) || size == 0) continue;
      any = true;
      smallest = std::min(smallest, size);
      largest = std::max(largest, size);
      integral = integral && size == std::ceil(size);
    }
    integral_ = integral;
    if (any) {
      scientific_ = largest / smallest > 1000 || largest > 1e8 || (!integral && smallest < 1e-4);
    }
    if (options.scientific) scientific_ = *options.scientific;
    for (std::int64_t i = 0; i < wide.numel(); ++i)
      if (std::isfinite(numbers[i]) && numbers[i] != 0)
        width_ = std::max(width_, unpadded(numbers[i]).size());
  }

  std::size_t width() const { return width_; }
  std::string number(double value) const { return padded(unpadded(value)); }
  std::string padded(const std::string& text) const {
    return std::string(width_ > text.size() ? width_ - text.size() : 0, ' ') + text;
  }
  bool floating() const { return floating_; }

  template <class F>
  static void visit_values(const Tensor& values, F&& use) {
    const Tensor dense = contiguous(values.detach());
    visit(dense.dtype(), [&]<class T>() {
      if constexpr (std::is_integral_v<T>)
        for (std::int64_t i = 0; i < dense.numel(); ++i) use(text_of(dense.data<T>()[i]));
    });
  }
  template <class T>
  static std::string text_of(T value) {
    return concat(value);
  }

 private:
  std::string unpadded(double value) const {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    if (scientific_) return formatted("%.*e", options_.precision, value);
    if (integral_) return formatted("%.*f", 0, value) + ".";
    return formatted("%.*f", options_.precision, value);
  }

  const PrintOptions& options_;
  bool floating_;
  bool integral_ = true, scientific_ = false;
  std::size_t width_ = 0;
};

class Writer {
 public:
  Writer(const Tensor& tensor, const PrintOptions& options, bool summarize)
      : options_(options),
        summarize_(summarize),
        complex_(tensor.is_complex()),
        real_(shown(complex_ ? real(tensor) : tensor), options_),
        imaginary_(complex_ ? shown(imag(tensor)) : Tensor(), options_, complex_) {}

  std::string write(const Tensor& x, int indent) const {
    if (x.ndim() == 0) return element(x);
    if (x.ndim() == 1) return row(x, indent);
    const std::int64_t size = x.sizes()[0], edge = options_.edge_items;
    std::vector<std::string> parts;
    const bool cut = summarize_ && size > 2 * edge;
    for (std::int64_t i = 0; i < size; ++i) {
      if (cut && i == edge) {
        parts.push_back("...");
        i = size - edge;
      }
      parts.push_back(write(select(x, 0, i), indent + 1));
    }
    std::string text = "[";
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (i)
        text +=
            "," + std::string(std::size_t(x.ndim() - 1), '\n') + std::string(std::size_t(indent + 1), ' ');
      text += parts[i];
    }
    return text + "]";
  }

 private:
  /// A formatter that exists only for complex tensors.
  class OptionalFormatter {
   public:
    OptionalFormatter(const Tensor& values, const PrintOptions& options, bool present) {
      if (present) formatter_.emplace(values, options);
    }
    const Formatter& operator*() const { return *formatter_; }

   private:
    std::optional<Formatter> formatter_;
  };

  // The elements that will be printed, as one dimension: only they decide the width.
  Tensor shown(const Tensor& x) const {
    if (!summarize_) return reshape(x.detach(), {-1});
    Shape sizes, strides;  // of a view on both ends of each dimension that is cut
    for (int dim = 0; dim < x.ndim(); ++dim) {
      const std::int64_t size = x.sizes()[dim], stride = x.strides()[dim], edge = options_.edge_items;
      const bool cut = size > 2 * edge;
      if (cut) {
        sizes.push_back(2);
        strides.push_back((size - edge) * stride);
      }
      sizes.push_back(cut ? edge : size);
      strides.push_back(stride);
    }
    return reshape(window(x.detach(), sizes, strides, x.storage_offset()), {-1});
  }

  std::string element(const Tensor& x) const {
    if (complex_) {
      const Scalar value = x.item();
      const auto number = value.to<std::complex<double>>();
      std::string imaginary = (*imaginary_).number(std::abs(number.imag()));
      imaginary.erase(0, imaginary.find_first_not_of(' '));
      return real_.number(number.real()) + (std::signbit(number.imag()) ? "-" : "+") + imaginary + "j";
    }
    if (real_.floating()) return real_.number(x.item<double>());
    std::string text;
    Formatter::visit_values(x, [&](const std::string& value) { text = value; });
    return real_.padded(text);
  }

  std::string row(const Tensor& x, int indent) const {
    const std::int64_t size = x.sizes()[0], edge = options_.edge_items;
    std::vector<std::string> parts;
    const bool cut = summarize_ && size > 2 * edge;
    for (std::int64_t i = 0; i < size; ++i) {
      if (cut && i == edge) {
        parts.push_back(" ...");
        i = size - edge;
      }
      parts.push_back(element(select(x, 0, i)));
    }
    const std::size_t width = real_.width() + (complex_ ? (*imaginary_).width() + 1 : 0) + 2;
    const std::size_t per_line =
        std::max<std::size_t>(1, std::size_t(std::max(0, options_.line_width - indent)) / width);
    std::string text = "[";
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (i) text += i % per_line == 0 ? ",\n" + std::string(std::size_t(indent + 1), ' ') : ", ";
      text += parts[i];
    }
    return text + "]";
  }

  const PrintOptions options_;
  const bool summarize_, complex_;
  const Formatter real_;
  const OptionalFormatter imaginary_;
};

// "<MulBackward0>".
std::string history_of(const Tensor& tensor) {
  Node* node = tensor.grad_fn();
  if (!node) return tensor.requires_grad() ? "requires_grad=True" : "";
  std::string name;
  bool upper = true;
  for (const char c : std::string_view(node->name())) {
    if (c != '_') name.push_back(upper ? char(std::toupper(c)) : c);
    upper = c == '_';
  }
  return "grad_fn=<" + name + "Backward0>";
}

}  // namespace

PrintOptions print_options() {
  const std::lock_guard guard(options_lock);
  return current_options;
}

void set_print_options(const PrintOptions& options) {
  const std::lock_guard guard(options_lock);
  current_options = options;
}

std::string to_string(const Tensor& tensor) {
  if (!tensor.defined()) return "tensor(undefined)";
  const NoGrad looking_only;
  const PrintOptions options = print_options();
  const bool parameter = tensor.record()->parameter;
  std::string text = parameter ? "Parameter containing:\ntensor(" : "tensor(";
  std::vector<std::string> suffixes;
  const DType dtype = tensor.dtype();
  const bool inferred = dtype == default_dtype() || dtype == int64 || dtype == boolean ||
                        dtype == complex_dtype(default_dtype());
  if (!tensor.device().is_cpu()) suffixes.push_back(concat("device='", tensor.device(), "'"));
  const bool meta = is_meta(tensor.device());
  if (tensor.numel() == 0 || meta) {
    if (tensor.ndim() != 1 || meta) {
      std::string sizes;
      for (int i = 0; i < tensor.ndim(); ++i) sizes += (i ? ", " : "") + concat(tensor.sizes()[i]);
      suffixes.push_back("size=(" + sizes + (tensor.ndim() == 1 ? ",)" : ")"));
    }
    text += meta ? "..." : "[]";
    if (dtype != default_dtype()) suffixes.push_back(concat("dtype=taper.", dtype));
  } else {
    const Tensor here = to(tensor.detach(), Device());
    text += Writer(here, options, here.numel() > options.threshold).write(here, 7);
    if (!inferred) suffixes.push_back(concat("dtype=taper.", dtype));
  }
  if (const std::string history = history_of(tensor); !history.empty()) suffixes.push_back(history);
  // A suffix that does not fit on the last line goes to the next.
  std::size_t column = text.size() - (text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
  for (const std::string& suffix : suffixes) {
    if (column + suffix.size() + 2 > std::size_t(options.line_width)) {
      text += ",\n       " + suffix;
      column = 7 + suffix.size();
    } else {
      text += ", " + suffix;
      column += 2 + suffix.size();
    }
  }
  return text + ")";
}

void append_text(std::string& text, const Tensor& tensor) { text += to_string(tensor); }

}  // namespace taper
