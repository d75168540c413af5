// Autocast: the lists of operations and the casts of their arguments.
#include "autocast.h"

#include <algorithm>
#include <array>

#include "taper/autograd.h"
#include "taper/ops/copy.h"

namespace taper::python {

thread_local Autocast autocast;
constinit thread_local bool autocast_on __attribute__((tls_model("initial-exec"))) = false;

namespace {

// PyTorch's lists for the CPU (aten/src/ATen/autocast_mode.h), by the names under which Python calls them.
// Sorted.
constexpr std::array lower_names = {"__matmul__",
                                    "__rmatmul__",
                                    "addbmm",
                                    "addmm",
                                    "baddbmm",
                                    "bmm",
                                    "conv1d",
                                    "conv2d",
                                    "conv3d",
                                    "conv_tbc",
                                    "conv_transpose1d",
                                    "conv_transpose2d",
                                    "conv_transpose3d",
                                    "convolution",
                                    "linear",
                                    "matmul",
                                    "mm",
                                    "prelu",
                                    "recurrent",
                                    "scaled_dot_product_attention",
                                    "vecdot"};
constexpr std::array float32_names = {"adaptive_avg_pool3d",
                                      "adaptive_max_pool3d",
                                      "avg_pool3d",
                                      "binary_cross_entropy",
                                      "binary_cross_entropy_with_logits",
                                      "cdist",
                                      "cholesky",
                                      "cholesky_ex",
                                      "cholesky_inverse",
                                      "cholesky_solve",
                                      "cond",
                                      "cosine_embedding_loss",
                                      "cross_entropy",
                                      "ctc_loss",
                                      "eig",
                                      "eigh",
                                      "eigvals",
                                      "eigvalsh",
                                      "fft",
                                      "fft2",
                                      "fftn",
                                      "fractional_max_pool2d",
                                      "fractional_max_pool3d",
                                      "geqrf",
                                      "grid_sample",
                                      "grid_sampler",
                                      "hfft",
                                      "hinge_embedding_loss",
                                      "householder_product",
                                      "huber_loss",
                                      "ifft",
                                      "ifft2",
                                      "ifftn",
                                      "ihfft",
                                      "inv",
                                      "inv_ex",
                                      "inverse",
                                      "irfft",
                                      "irfft2",
                                      "irfftn",
                                      "kl_div",
                                      "l1_loss",
                                      "lstsq",
                                      "lu_solve",
                                      "margin_ranking_loss",
                                      "matrix_rank",
                                      "max_pool3d",
                                      "max_unpool2d",
                                      "max_unpool3d",
                                      "mse_loss",
                                      "multi_margin_loss",
                                      "multilabel_margin_loss",
                                      "nanquantile",
                                      "nll_loss",
                                      "orgqr",
                                      "ormqr",
                                      "pinverse",
                                      "poisson_nll_loss",
                                      "polar",
                                      "prod",
                                      "qr",
                                      "quantile",
                                      "rfft",
                                      "rfft2",
                                      "rfftn",
                                      "smooth_l1_loss",
                                      "soft_margin_loss",
                                      "solve",
                                      "stft",
                                      "svd",
                                      "svdvals",
                                      "tensorinv",
                                      "tensorsolve",
                                      "trace",
                                      "triangular_solve",
                                      "triplet_margin_loss",
                                      "view_as_complex"};
constexpr std::array widest_names = {"cat", "concat", "concatenate", "index_copy", "stack"};

template <std::size_t n>
bool contains(const std::array<const char*, n>& names, std::string_view name) {
  return std::binary_search(names.begin(), names.end(), name,
                            [](std::string_view a, std::string_view b) { return a < b; });
}

bool is_eligible(const Tensor& tensor) {
  return tensor.defined() && tensor.is_floating_point() && tensor.dtype() != DType::float64 &&
         autocast.modes[int(tensor.device().type)].enabled;
}

// Parameters are cast once until the outermost mode ends: they are used again and again.
Tensor cast_tensor(const Tensor& tensor, DType dtype) {
  if (!is_eligible(tensor) || tensor.dtype() == dtype) return tensor;
  const bool lasting = autocast.cache && dtype == autocast.modes[int(tensor.device().type)].dtype &&
                       tensor.dtype() == DType::float32 && tensor.requires_grad() && tensor.is_leaf() &&
                       is_grad_enabled();
  if (!lasting) return to(tensor, dtype);
  const auto found = autocast.cached.find(tensor.record());
  if (found != autocast.cached.end() && found->second.second.dtype() == dtype) return found->second.second;
  Tensor result = to(tensor, dtype);
  autocast.cached.insert_or_assign(tensor.record(), std::pair(tensor, result));
  return result;
}

template <class F>
void each_tensor(const Signature& signature, Value* values, F&& f) {
  for (std::size_t i = 0; i < signature.parameters.size(); ++i) {
    if (Tensor* tensor = std::get_if<Tensor>(&values[i])) f(*tensor);
    else if (Tensors* list = std::get_if<Tensors>(&values[i])) std::for_each(list->begin(), list->end(), f);
  }
}

void update() {
  autocast_on = std::any_of(std::begin(autocast.modes), std::end(autocast.modes),
                            [](const AutocastMode& mode) { return mode.enabled; });
}

AutocastMode& mode_of(const std::string& device_type) {
  return autocast.modes[int(Device(device_type).type)];
}

}  // namespace

Cast cast_of(std::string_view name) {
  if (contains(lower_names, name)) return Cast::lower;
  if (contains(float32_names, name)) return Cast::float32;
  return contains(widest_names, name) ? Cast::widest : Cast::none;
}

void cast_arguments(Cast cast, const Signature& signature, Value* values) {
  DType dtype = DType::float32;
  if (cast == Cast::widest) {
    bool any_eligible = false, any_float32 = false;
    each_tensor(signature, values, [&](const Tensor& tensor) {
      if (!is_eligible(tensor)) return;
      const DType lower = autocast.modes[int(tensor.device().type)].dtype;
      any_eligible = true;
      any_float32 |= tensor.dtype() != lower;
      dtype = lower;
    });
    if (!any_eligible) return;
    if (any_float32) dtype = DType::float32;
  }
  each_tensor(signature, values, [&](Tensor& tensor) {
    if (!tensor.defined()) return;
    tensor =
        cast_tensor(tensor, cast == Cast::lower ? autocast.modes[int(tensor.device().type)].dtype : dtype);
  });
}

void bind_autocast(py::module_& module) {
  module.def(
      "is_autocast_enabled", [](const std::string& device) { return mode_of(device).enabled; },
      py::arg("device_type") = "cuda", "Whether autocast is on for a type of device.");
  module.def("set_autocast_enabled", [](const std::string& device, bool enabled) {
    mode_of(device).enabled = enabled;
    update();
  });
  module.def("set_autocast_enabled", [](bool enabled) {
    mode_of("cuda").enabled = enabled;
    update();
  });
  module.def("get_autocast_dtype", [](const std::string& device) {
    return py::reinterpret_steal<py::object>(wrap_dtype(mode_of(device).dtype));
  });
  module.def("set_autocast_dtype", [](const std::string& device, const py::object& dtype) {
    mode_of(device).dtype = dtype_of(dtype.ptr());
  });
  module.def("is_autocast_cache_enabled", [] { return autocast.cache; });
  module.def("set_autocast_cache_enabled", [](bool enabled) { autocast.cache = enabled; });
  module.def("autocast_increment_nesting", [] { return ++autocast.nesting; });
  module.def("autocast_decrement_nesting", [] { return --autocast.nesting; });
  module.def("clear_autocast_cache", [] { autocast.cached.clear(); });
}

}  // namespace taper::python
