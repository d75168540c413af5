// Operations as methods of Tensor. Made by scripts/tensor_methods.py.
#include "taper/ops.h"

namespace taper {

Tensor Tensor::relu() const { return taper::relu(*this); }
Tensor Tensor::sigmoid() const { return taper::sigmoid(*this); }
Tensor Tensor::selu() const { return taper::selu(*this); }
Tensor Tensor::erf() const { return taper::erf(*this); }
Tensor Tensor::erfc() const { return taper::erfc(*this); }
Tensor Tensor::erfinv() const { return taper::erfinv(*this); }
Tensor Tensor::lgamma() const { return taper::lgamma(*this); }
Tensor Tensor::digamma() const { return taper::digamma(*this); }
Tensor Tensor::logit(std::optional<double> eps) const { return taper::logit(*this, eps); }
Tensor Tensor::add(const Tensor& b, const Scalar& alpha) const { return taper::add(*this, b, alpha); }
Tensor Tensor::add(const Scalar& b, const Scalar& alpha) const { return taper::add(*this, b, alpha); }
Tensor Tensor::sub(const Tensor& b, const Scalar& alpha) const { return taper::sub(*this, b, alpha); }
Tensor Tensor::sub(const Scalar& b, const Scalar& alpha) const { return taper::sub(*this, b, alpha); }
Tensor Tensor::mul(const Tensor& b) const { return taper::mul(*this, b); }
Tensor Tensor::mul(const Scalar& b) const { return taper::mul(*this, b); }
Tensor Tensor::div(const Tensor& b) const { return taper::div(*this, b); }
Tensor Tensor::div(const Scalar& b) const { return taper::div(*this, b); }
Tensor Tensor::neg() const { return taper::neg(*this); }
Tensor Tensor::conj() const { return taper::conj(*this); }
Tensor Tensor::eq(const Tensor& b) const { return taper::eq(*this, b); }
Tensor Tensor::ne(const Tensor& b) const { return taper::ne(*this, b); }
Tensor Tensor::lt(const Tensor& b) const { return taper::lt(*this, b); }
Tensor Tensor::le(const Tensor& b) const { return taper::le(*this, b); }
Tensor Tensor::gt(const Tensor& b) const { return taper::gt(*this, b); }
Tensor Tensor::ge(const Tensor& b) const { return taper::ge(*this, b); }
Tensor Tensor::eq(const Scalar& b) const { return taper::eq(*this, b); }
Tensor Tensor::ne(const Scalar& b) const { return taper::ne(*this, b); }
Tensor Tensor::lt(const Scalar& b) const { return taper::lt(*this, b); }
Tensor Tensor::le(const Scalar& b) const { return taper::le(*this, b); }
Tensor Tensor::gt(const Scalar& b) const { return taper::gt(*this, b); }
Tensor Tensor::ge(const Scalar& b) const { return taper::ge(*this, b); }
Tensor Tensor::clone(std::string_view memory_format) const { return taper::clone(*this, memory_format); }
Tensor Tensor::contiguous(std::string_view memory_format) const {
  return taper::contiguous(*this, memory_format);
}
Tensor Tensor::sum_to_size(const Shape& sizes) const { return taper::sum_to_size(*this, sizes); }
Tensor Tensor::exp() const { return taper::exp(*this); }
Tensor Tensor::exp2() const { return taper::exp2(*this); }
Tensor Tensor::expm1() const { return taper::expm1(*this); }
Tensor Tensor::log() const { return taper::log(*this); }
Tensor Tensor::log2() const { return taper::log2(*this); }
Tensor Tensor::log10() const { return taper::log10(*this); }
Tensor Tensor::log1p() const { return taper::log1p(*this); }
Tensor Tensor::sqrt() const { return taper::sqrt(*this); }
Tensor Tensor::rsqrt() const { return taper::rsqrt(*this); }
Tensor Tensor::reciprocal() const { return taper::reciprocal(*this); }
Tensor Tensor::square() const { return taper::square(*this); }
Tensor Tensor::pow(const Tensor& b) const { return taper::pow(*this, b); }
Tensor Tensor::pow(const Scalar& b) const { return taper::pow(*this, b); }
Tensor Tensor::logaddexp(const Tensor& b) const { return taper::logaddexp(*this, b); }
Tensor Tensor::logaddexp2(const Tensor& b) const { return taper::logaddexp2(*this, b); }
Tensor Tensor::xlogy(const Tensor& y) const { return taper::xlogy(*this, y); }
Tensor Tensor::gather(std::int64_t dim, const Tensor& index) const {
  return taper::gather(*this, dim, index);
}
Tensor Tensor::scatter(std::int64_t dim, const Tensor& index, const Tensor& source) const {
  return taper::scatter(*this, dim, index, source);
}
Tensor Tensor::scatter(std::int64_t dim, const Tensor& index, const Scalar& value) const {
  return taper::scatter(*this, dim, index, value);
}
Tensor Tensor::scatter_add(std::int64_t dim, const Tensor& index, const Tensor& source) const {
  return taper::scatter_add(*this, dim, index, source);
}
Tensor Tensor::index_select(std::int64_t dim, const Tensor& index) const {
  return taper::index_select(*this, dim, index);
}
Tensor Tensor::index_add(std::int64_t dim, const Tensor& index, const Tensor& source,
                         const Scalar& alpha) const {
  return taper::index_add(*this, dim, index, source, alpha);
}
Tensor Tensor::nonzero() const { return taper::nonzero(*this); }
Tensor Tensor::masked_select(const Tensor& mask) const { return taper::masked_select(*this, mask); }
Tensors Tensor::split(std::int64_t size, std::int64_t dim) const { return taper::split(*this, size, dim); }
Tensors Tensor::split(const Shape& sizes, std::int64_t dim) const { return taper::split(*this, sizes, dim); }
Tensors Tensor::chunk(std::int64_t count, std::int64_t dim) const { return taper::chunk(*this, count, dim); }
Tensors Tensor::unbind(std::int64_t dim) const { return taper::unbind(*this, dim); }
Tensor Tensor::flip(const Shape& dims) const { return taper::flip(*this, dims); }
Tensor Tensor::repeat(const Shape& counts) const { return taper::repeat(*this, counts); }
Tensor Tensor::tile(const Shape& counts) const { return taper::tile(*this, counts); }
Tensor Tensor::repeat_interleave(std::int64_t count, std::optional<std::int64_t> dim) const {
  return taper::repeat_interleave(*this, count, dim);
}
Tensor Tensor::tril(std::int64_t diagonal) const { return taper::tril(*this, diagonal); }
Tensor Tensor::triu(std::int64_t diagonal) const { return taper::triu(*this, diagonal); }
Tensor Tensor::movedim(const Shape& source, const Shape& destination) const {
  return taper::movedim(*this, source, destination);
}
Tensor Tensor::flatten(std::int64_t start, std::int64_t end) const {
  return taper::flatten(*this, start, end);
}
Tensor Tensor::unflatten(std::int64_t dim, const Shape& sizes) const {
  return taper::unflatten(*this, dim, sizes);
}
Tensor Tensor::diag(std::int64_t diagonal) const { return taper::diag(*this, diagonal); }
Tensor Tensor::diag_embed(std::int64_t offset, std::int64_t dim1, std::int64_t dim2) const {
  return taper::diag_embed(*this, offset, dim1, dim2);
}
Tensor Tensor::logical_not() const { return taper::logical_not(*this); }
Tensor Tensor::logical_and(const Tensor& b) const { return taper::logical_and(*this, b); }
Tensor Tensor::logical_or(const Tensor& b) const { return taper::logical_or(*this, b); }
Tensor Tensor::logical_xor(const Tensor& b) const { return taper::logical_xor(*this, b); }
Tensor Tensor::bitwise_not() const { return taper::bitwise_not(*this); }
Tensor Tensor::bitwise_and(const Tensor& b) const { return taper::bitwise_and(*this, b); }
Tensor Tensor::bitwise_or(const Tensor& b) const { return taper::bitwise_or(*this, b); }
Tensor Tensor::bitwise_xor(const Tensor& b) const { return taper::bitwise_xor(*this, b); }
Tensor Tensor::bitwise_left_shift(const Tensor& b) const { return taper::bitwise_left_shift(*this, b); }
Tensor Tensor::bitwise_right_shift(const Tensor& b) const { return taper::bitwise_right_shift(*this, b); }
Tensor Tensor::isnan() const { return taper::isnan(*this); }
Tensor Tensor::isinf() const { return taper::isinf(*this); }
Tensor Tensor::isfinite() const { return taper::isfinite(*this); }
Tensor Tensor::isposinf() const { return taper::isposinf(*this); }
Tensor Tensor::isneginf() const { return taper::isneginf(*this); }
Tensor Tensor::signbit() const { return taper::signbit(*this); }
Tensor Tensor::isclose(const Tensor& b, double rtol, double atol, bool equal_nan) const {
  return taper::isclose(*this, b, rtol, atol, equal_nan);
}
bool Tensor::allclose(const Tensor& b, double rtol, double atol, bool equal_nan) const {
  return taper::allclose(*this, b, rtol, atol, equal_nan);
}
bool Tensor::equal(const Tensor& b) const { return taper::equal(*this, b); }
Tensor Tensor::matmul(const Tensor& b) const { return taper::matmul(*this, b); }
Tensor Tensor::mm(const Tensor& b) const { return taper::mm(*this, b); }
Tensor Tensor::bmm(const Tensor& b) const { return taper::bmm(*this, b); }
Tensor Tensor::mv(const Tensor& b) const { return taper::mv(*this, b); }
Tensor Tensor::dot(const Tensor& b) const { return taper::dot(*this, b); }
Tensor Tensor::outer(const Tensor& b) const { return taper::outer(*this, b); }
Tensor Tensor::addmm(const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) const {
  return taper::addmm(*this, a, b, beta, alpha);
}
Tensor Tensor::baddbmm(const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) const {
  return taper::baddbmm(*this, a, b, beta, alpha);
}
Tensor Tensor::addmv(const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) const {
  return taper::addmv(*this, a, b, beta, alpha);
}
std::tuple<Tensor, Tensor> Tensor::sort(std::int64_t dim, bool descending) const {
  return taper::sort(*this, dim, descending);
}
Tensor Tensor::argsort(std::int64_t dim, bool descending) const {
  return taper::argsort(*this, dim, descending);
}
std::tuple<Tensor, Tensor> Tensor::topk(std::int64_t k, std::int64_t dim, bool largest) const {
  return taper::topk(*this, k, dim, largest);
}
std::tuple<Tensor, Tensor> Tensor::kthvalue(std::int64_t k, std::int64_t dim, bool keepdim) const {
  return taper::kthvalue(*this, k, dim, keepdim);
}
std::tuple<Tensor, Tensor> Tensor::median(std::int64_t dim, bool keepdim) const {
  return taper::median(*this, dim, keepdim);
}
std::tuple<Tensor, Tensor, Tensor> Tensor::unique(std::optional<std::int64_t> dim) const {
  return taper::unique(*this, dim);
}
std::tuple<Tensor, Tensor, Tensor> Tensor::unique_consecutive(std::optional<std::int64_t> dim) const {
  return taper::unique_consecutive(*this, dim);
}
Tensor Tensor::histc(std::int64_t bins, double low, double high) const {
  return taper::histc(*this, bins, low, high);
}
Tensor Tensor::diagflat(std::int64_t offset) const { return taper::diagflat(*this, offset); }
Tensor Tensor::select_scatter(const Tensor& source, std::int64_t dim, std::int64_t index) const {
  return taper::select_scatter(*this, source, dim, index);
}
Tensor Tensor::slice_scatter(const Tensor& source, std::int64_t dim, std::optional<std::int64_t> start,
                             std::optional<std::int64_t> end, std::int64_t step) const {
  return taper::slice_scatter(*this, source, dim, start, end, step);
}
Tensor Tensor::diagonal_scatter(const Tensor& source, std::int64_t offset, std::int64_t dim1,
                                std::int64_t dim2) const {
  return taper::diagonal_scatter(*this, source, offset, dim1, dim2);
}
Tensor Tensor::as_strided_scatter(const Tensor& source, const Shape& sizes, const Shape& strides,
                                  std::optional<std::int64_t> offset) const {
  return taper::as_strided_scatter(*this, source, sizes, strides, offset);
}
Tensors Tensor::hsplit(std::int64_t sections) const { return taper::hsplit(*this, sections); }
Tensors Tensor::hsplit(const Shape& places) const { return taper::hsplit(*this, places); }
Tensors Tensor::vsplit(std::int64_t sections) const { return taper::vsplit(*this, sections); }
Tensors Tensor::vsplit(const Shape& places) const { return taper::vsplit(*this, places); }
Tensors Tensor::dsplit(std::int64_t sections) const { return taper::dsplit(*this, sections); }
Tensors Tensor::dsplit(const Shape& places) const { return taper::dsplit(*this, places); }
Tensor Tensor::inner(const Tensor& b) const { return taper::inner(*this, b); }
Tensor Tensor::vdot(const Tensor& b) const { return taper::vdot(*this, b); }
Tensor Tensor::addr(const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) const {
  return taper::addr(*this, a, b, beta, alpha);
}
Tensor Tensor::addbmm(const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) const {
  return taper::addbmm(*this, a, b, beta, alpha);
}
Tensor Tensor::float_power(const Tensor& b) const { return taper::float_power(*this, b); }
Tensor Tensor::ldexp(const Tensor& exponent) const { return taper::ldexp(*this, exponent); }
std::tuple<Tensor, Tensor> Tensor::frexp() const { return taper::frexp(*this); }
Tensor Tensor::isreal() const { return taper::isreal(*this); }
Tensor Tensor::bernoulli(std::optional<Generator> generator) const {
  return taper::bernoulli(*this, generator);
}
Tensor Tensor::multinomial(std::int64_t count, bool replacement, std::optional<Generator> generator) const {
  return taper::multinomial(*this, count, replacement, generator);
}
Tensor Tensor::sum(const std::optional<Shape>& dims, bool keepdim, std::optional<DType> dtype) const {
  return taper::sum(*this, dims, keepdim, dtype);
}
Tensor Tensor::nansum(const std::optional<Shape>& dims, bool keepdim, std::optional<DType> dtype) const {
  return taper::nansum(*this, dims, keepdim, dtype);
}
Tensor Tensor::mean(const std::optional<Shape>& dims, bool keepdim, std::optional<DType> dtype) const {
  return taper::mean(*this, dims, keepdim, dtype);
}
Tensor Tensor::prod(std::optional<std::int64_t> dim, bool keepdim, std::optional<DType> dtype) const {
  return taper::prod(*this, dim, keepdim, dtype);
}
Tensor Tensor::var(const std::optional<Shape>& dims, double correction, bool keepdim) const {
  return taper::var(*this, dims, correction, keepdim);
}
Tensor Tensor::std(const std::optional<Shape>& dims, double correction, bool keepdim) const {
  return taper::std(*this, dims, correction, keepdim);
}
Tensor Tensor::logsumexp(const Shape& dims, bool keepdim) const {
  return taper::logsumexp(*this, dims, keepdim);
}
Tensor Tensor::norm(double p, const std::optional<Shape>& dims, bool keepdim) const {
  return taper::norm(*this, p, dims, keepdim);
}
Tensor Tensor::amax(const std::optional<Shape>& dims, bool keepdim) const {
  return taper::amax(*this, dims, keepdim);
}
Tensor Tensor::amin(const std::optional<Shape>& dims, bool keepdim) const {
  return taper::amin(*this, dims, keepdim);
}
std::tuple<Tensor, Tensor> Tensor::max(std::int64_t dim, bool keepdim) const {
  return taper::max(*this, dim, keepdim);
}
std::tuple<Tensor, Tensor> Tensor::min(std::int64_t dim, bool keepdim) const {
  return taper::min(*this, dim, keepdim);
}
Tensor Tensor::max() const { return taper::max(*this); }
Tensor Tensor::min() const { return taper::min(*this); }
Tensor Tensor::argmax(std::optional<std::int64_t> dim, bool keepdim) const {
  return taper::argmax(*this, dim, keepdim);
}
Tensor Tensor::argmin(std::optional<std::int64_t> dim, bool keepdim) const {
  return taper::argmin(*this, dim, keepdim);
}
Tensor Tensor::any(const std::optional<Shape>& dims, bool keepdim) const {
  return taper::any(*this, dims, keepdim);
}
Tensor Tensor::all(const std::optional<Shape>& dims, bool keepdim) const {
  return taper::all(*this, dims, keepdim);
}
Tensor Tensor::count_nonzero(const std::optional<Shape>& dims) const {
  return taper::count_nonzero(*this, dims);
}
Tensor Tensor::abs() const { return taper::abs(*this); }
Tensor Tensor::sign() const { return taper::sign(*this); }
Tensor Tensor::sgn() const { return taper::sgn(*this); }
Tensor Tensor::floor() const { return taper::floor(*this); }
Tensor Tensor::ceil() const { return taper::ceil(*this); }
Tensor Tensor::round(std::int64_t decimals) const { return taper::round(*this, decimals); }
Tensor Tensor::trunc() const { return taper::trunc(*this); }
Tensor Tensor::frac() const { return taper::frac(*this); }
Tensor Tensor::floor_divide(const Tensor& b) const { return taper::floor_divide(*this, b); }
Tensor Tensor::remainder(const Tensor& b) const { return taper::remainder(*this, b); }
Tensor Tensor::fmod(const Tensor& b) const { return taper::fmod(*this, b); }
Tensor Tensor::div(const Tensor& b, std::optional<std::string> rounding_mode) const {
  return taper::div(*this, b, rounding_mode);
}
Tensor Tensor::copysign(const Tensor& b) const { return taper::copysign(*this, b); }
Tensor Tensor::nextafter(const Tensor& b) const { return taper::nextafter(*this, b); }
Tensor Tensor::heaviside(const Tensor& b) const { return taper::heaviside(*this, b); }
Tensor Tensor::gcd(const Tensor& b) const { return taper::gcd(*this, b); }
Tensor Tensor::lcm(const Tensor& b) const { return taper::lcm(*this, b); }
Tensor Tensor::angle() const { return taper::angle(*this); }
Tensor Tensor::cumsum(std::int64_t dim, std::optional<DType> dtype) const {
  return taper::cumsum(*this, dim, dtype);
}
Tensor Tensor::cumprod(std::int64_t dim, std::optional<DType> dtype) const {
  return taper::cumprod(*this, dim, dtype);
}
std::tuple<Tensor, Tensor> Tensor::cummax(std::int64_t dim) const { return taper::cummax(*this, dim); }
std::tuple<Tensor, Tensor> Tensor::cummin(std::int64_t dim) const { return taper::cummin(*this, dim); }
Tensor Tensor::logcumsumexp(std::int64_t dim) const { return taper::logcumsumexp(*this, dim); }
Tensor Tensor::scatter_reduce(std::int64_t dim, const Tensor& index, const Tensor& source,
                              std::string_view reduce, bool include_self) const {
  return taper::scatter_reduce(*this, dim, index, source, reduce, include_self);
}
Tensor Tensor::index_reduce(std::int64_t dim, const Tensor& index, const Tensor& source,
                            std::string_view reduce, bool include_self) const {
  return taper::index_reduce(*this, dim, index, source, reduce, include_self);
}
Tensor Tensor::masked_scatter(const Tensor& mask, const Tensor& source) const {
  return taper::masked_scatter(*this, mask, source);
}
Tensor Tensor::put(const Tensor& index, const Tensor& source, bool accumulate) const {
  return taper::put(*this, index, source, accumulate);
}
Tensor Tensor::nonzero_static(std::int64_t size, std::int64_t fill_value) const {
  return taper::nonzero_static(*this, size, fill_value);
}
Tensor Tensor::maximum(const Tensor& b) const { return taper::maximum(*this, b); }
Tensor Tensor::minimum(const Tensor& b) const { return taper::minimum(*this, b); }
Tensor Tensor::fmax(const Tensor& b) const { return taper::fmax(*this, b); }
Tensor Tensor::fmin(const Tensor& b) const { return taper::fmin(*this, b); }
Tensor Tensor::clamp(std::optional<Scalar> low, std::optional<Scalar> high) const {
  return taper::clamp(*this, low, high);
}
Tensor Tensor::clamp(const Tensor& low, const Tensor& high) const { return taper::clamp(*this, low, high); }
Tensor Tensor::where(const Tensor& a, const Tensor& b) const { return taper::where(*this, a, b); }
Tensor Tensor::masked_fill(const Tensor& mask, const Scalar& value) const {
  return taper::masked_fill(*this, mask, value);
}
Tensor Tensor::masked_fill(const Tensor& mask, const Tensor& value) const {
  return taper::masked_fill(*this, mask, value);
}
Tensor Tensor::lerp(const Tensor& b, const Tensor& weight) const { return taper::lerp(*this, b, weight); }
Tensor Tensor::lerp(const Tensor& b, const Scalar& weight) const { return taper::lerp(*this, b, weight); }
Tensor Tensor::addcmul(const Tensor& a, const Tensor& b, const Scalar& value) const {
  return taper::addcmul(*this, a, b, value);
}
Tensor Tensor::addcdiv(const Tensor& a, const Tensor& b, const Scalar& value) const {
  return taper::addcdiv(*this, a, b, value);
}
Tensor Tensor::nan_to_num(double nan, std::optional<double> posinf, std::optional<double> neginf) const {
  return taper::nan_to_num(*this, nan, posinf, neginf);
}
Tensor Tensor::softmax(std::int64_t dim, std::optional<DType> dtype) const {
  return taper::softmax(*this, dim, dtype);
}
Tensor Tensor::log_softmax(std::int64_t dim, std::optional<DType> dtype) const {
  return taper::log_softmax(*this, dim, dtype);
}
Tensor Tensor::i0() const { return taper::i0(*this); }
Tensor Tensor::igamma(const Tensor& x) const { return taper::igamma(*this, x); }
Tensor Tensor::igammac(const Tensor& x) const { return taper::igammac(*this, x); }
Tensor Tensor::mvlgamma(std::int64_t p) const { return taper::mvlgamma(*this, p); }
Tensor Tensor::quantile(const Tensor& q, std::optional<std::int64_t> dim, bool keepdim,
                        std::string_view interpolation) const {
  return taper::quantile(*this, q, dim, keepdim, interpolation);
}
Tensor Tensor::nanquantile(const Tensor& q, std::optional<std::int64_t> dim, bool keepdim,
                           std::string_view interpolation) const {
  return taper::nanquantile(*this, q, dim, keepdim, interpolation);
}
Tensor Tensor::nanmean(const std::optional<Shape>& dims, bool keepdim, std::optional<DType> dtype) const {
  return taper::nanmean(*this, dims, keepdim, dtype);
}
std::tuple<Tensor, Tensor> Tensor::mode(std::int64_t dim, bool keepdim) const {
  return taper::mode(*this, dim, keepdim);
}
Tensor Tensor::renorm(double p, std::int64_t dim, double maxnorm) const {
  return taper::renorm(*this, p, dim, maxnorm);
}
Tensor Tensor::sin() const { return taper::sin(*this); }
Tensor Tensor::cos() const { return taper::cos(*this); }
Tensor Tensor::tan() const { return taper::tan(*this); }
Tensor Tensor::asin() const { return taper::asin(*this); }
Tensor Tensor::acos() const { return taper::acos(*this); }
Tensor Tensor::atan() const { return taper::atan(*this); }
Tensor Tensor::sinh() const { return taper::sinh(*this); }
Tensor Tensor::cosh() const { return taper::cosh(*this); }
Tensor Tensor::tanh() const { return taper::tanh(*this); }
Tensor Tensor::asinh() const { return taper::asinh(*this); }
Tensor Tensor::acosh() const { return taper::acosh(*this); }
Tensor Tensor::atanh() const { return taper::atanh(*this); }
Tensor Tensor::atan2(const Tensor& b) const { return taper::atan2(*this, b); }
Tensor Tensor::hypot(const Tensor& b) const { return taper::hypot(*this, b); }
Tensor Tensor::sinc() const { return taper::sinc(*this); }
Tensor Tensor::deg2rad() const { return taper::deg2rad(*this); }
Tensor Tensor::rad2deg() const { return taper::rad2deg(*this); }
Tensor Tensor::view(const Shape& sizes) const { return taper::view(*this, sizes); }
Tensor Tensor::reshape(const Shape& sizes) const { return taper::reshape(*this, sizes); }
Tensor Tensor::squeeze(const std::optional<Shape>& dims) const { return taper::squeeze(*this, dims); }
Tensor Tensor::unsqueeze(std::int64_t dim) const { return taper::unsqueeze(*this, dim); }
Tensor Tensor::permute(const Shape& dims) const { return taper::permute(*this, dims); }
Tensor Tensor::transpose(std::int64_t dim0, std::int64_t dim1) const {
  return taper::transpose(*this, dim0, dim1);
}
Tensor Tensor::expand(const Shape& sizes) const { return taper::expand(*this, sizes); }
Tensor Tensor::narrow(std::int64_t dim, std::int64_t start, std::int64_t length) const {
  return taper::narrow(*this, dim, start, length);
}
Tensor Tensor::select(std::int64_t dim, std::int64_t index) const { return taper::select(*this, dim, index); }
Tensor Tensor::diagonal(std::int64_t offset, std::int64_t dim1, std::int64_t dim2) const {
  return taper::diagonal(*this, offset, dim1, dim2);
}
Tensor Tensor::unfold(std::int64_t dim, std::int64_t size, std::int64_t step) const {
  return taper::unfold(*this, dim, size, step);
}
Tensor Tensor::as_strided(const Shape& sizes, const Shape& strides,
                          std::optional<std::int64_t> offset) const {
  return taper::as_strided(*this, sizes, strides, offset);
}

}  // namespace taper
