// The discrete Fourier transform along one dimension, of which taper.fft is made.
#include "cpu/linalg.h"
#include "ops/linalg.h"
#include "tensor/kernel_for.h"

namespace taper {

namespace {

struct Fourier {
  static constexpr auto name = "fourier";
  bool inverse;

  Tensor forward(const Tensor& x) const {
    Tensor y = empty(x.sizes(), x.dtype(), x.device());
    const std::int64_t n = x.sizes().back();
    if (x.numel() > 0)
      kernel_for<cpu::fft>(name, x)(x.dtype(), x.numel() / n, n, contiguous(x).data(), y.data(), inverse);
    return y;
  }
  // The transform is symmetric, so its adjoint is the other direction.
  Tensor backward(const Saved&, const Tensor& dy) const { return record(Fourier{!inverse}, dy); }
};

}  // namespace

Tensor fourier(const Tensor& x, std::int64_t dim, bool inverse) {
  check<DTypeError>(x.dtype() != float16 && x.dtype() != bfloat16, "fft: Unsupported dtype ", x.dtype(),
                    "; convert with .float()");
  const int last = x.ndim() - 1;
  check<IndexError>(x.ndim() > 0, "fft: Dimension specified as ", dim, " but tensor has no dimensions");
  const int place = wrap_dim(dim, x.ndim(), "fft");
  const DType real = x.is_floating_point() || x.is_complex() ? x.dtype() : default_dtype();
  const Tensor z = to(x, complex_dtype(real));
  if (place == last) return record(Fourier{inverse}, z);
  return transpose(record(Fourier{inverse}, transpose(z, place, last)), place, last);
}

namespace {

const Register fourier_op{{.signature = "_fourier(Tensor input, int dim=-1, bool inverse=False) -> Tensor",
                           .doc = "Discrete Fourier transform along dim, not scaled.",
                           .call = box<fourier>,
                           .homes = "fft",
                           .samples = "c(6); c(3, 4), 0; c(37); c(2, 5), -1, True; x(8)",
                           .reference = "np.fft.ifft(input, axis=dim, norm='forward') if inverse else "
                                        "np.fft.fft(input, axis=dim)",
                           .errors = "x(); x(3), 2"}};

}  // namespace

}  // namespace taper
