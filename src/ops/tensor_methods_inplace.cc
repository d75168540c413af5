// Methods of Tensor that write into it. Made by scripts/tensor_methods.py.
#include "ops/inplace.h"
#include "taper/ops.h"

namespace taper {

const Tensor& Tensor::relu_() const {
  return inplace("relu_", *this, [&](const Tensor& before) { return taper::relu(before); });
}
const Tensor& Tensor::sigmoid_() const {
  return inplace("sigmoid_", *this, [&](const Tensor& before) { return taper::sigmoid(before); });
}
const Tensor& Tensor::selu_() const {
  return inplace("selu_", *this, [&](const Tensor& before) { return taper::selu(before); });
}
const Tensor& Tensor::erf_() const {
  return inplace("erf_", *this, [&](const Tensor& before) { return taper::erf(before); });
}
const Tensor& Tensor::erfc_() const {
  return inplace("erfc_", *this, [&](const Tensor& before) { return taper::erfc(before); });
}
const Tensor& Tensor::erfinv_() const {
  return inplace("erfinv_", *this, [&](const Tensor& before) { return taper::erfinv(before); });
}
const Tensor& Tensor::lgamma_() const {
  return inplace("lgamma_", *this, [&](const Tensor& before) { return taper::lgamma(before); });
}
const Tensor& Tensor::digamma_() const {
  return inplace("digamma_", *this, [&](const Tensor& before) { return taper::digamma(before); });
}
const Tensor& Tensor::logit_(std::optional<double> eps) const {
  return inplace("logit_", *this, [&](const Tensor& before) { return taper::logit(before, eps); });
}
const Tensor& Tensor::neg_() const {
  return inplace("neg_", *this, [&](const Tensor& before) { return taper::neg(before); });
}
const Tensor& Tensor::add_(const Tensor& b, const Scalar& alpha) const {
  return taper::add_(*this, b, alpha);
}
const Tensor& Tensor::add_(const Scalar& b, const Scalar& alpha) const {
  return taper::add_(*this, b, alpha);
}
const Tensor& Tensor::sub_(const Tensor& b, const Scalar& alpha) const {
  return taper::sub_(*this, b, alpha);
}
const Tensor& Tensor::sub_(const Scalar& b, const Scalar& alpha) const {
  return taper::sub_(*this, b, alpha);
}
const Tensor& Tensor::mul_(const Tensor& b) const { return taper::mul_(*this, b); }
const Tensor& Tensor::mul_(const Scalar& b) const { return taper::mul_(*this, b); }
const Tensor& Tensor::div_(const Tensor& b) const { return taper::div_(*this, b); }
const Tensor& Tensor::div_(const Scalar& b) const { return taper::div_(*this, b); }
const Tensor& Tensor::eq_(const Tensor& b) const {
  return inplace("eq_", *this, [&](const Tensor& before) { return taper::eq(before, b); });
}
const Tensor& Tensor::ne_(const Tensor& b) const {
  return inplace("ne_", *this, [&](const Tensor& before) { return taper::ne(before, b); });
}
const Tensor& Tensor::lt_(const Tensor& b) const {
  return inplace("lt_", *this, [&](const Tensor& before) { return taper::lt(before, b); });
}
const Tensor& Tensor::le_(const Tensor& b) const {
  return inplace("le_", *this, [&](const Tensor& before) { return taper::le(before, b); });
}
const Tensor& Tensor::gt_(const Tensor& b) const {
  return inplace("gt_", *this, [&](const Tensor& before) { return taper::gt(before, b); });
}
const Tensor& Tensor::ge_(const Tensor& b) const {
  return inplace("ge_", *this, [&](const Tensor& before) { return taper::ge(before, b); });
}
const Tensor& Tensor::eq_(const Scalar& b) const {
  return inplace("eq_", *this, [&](const Tensor& before) { return taper::eq(before, b); });
}
const Tensor& Tensor::ne_(const Scalar& b) const {
  return inplace("ne_", *this, [&](const Tensor& before) { return taper::ne(before, b); });
}
const Tensor& Tensor::lt_(const Scalar& b) const {
  return inplace("lt_", *this, [&](const Tensor& before) { return taper::lt(before, b); });
}
const Tensor& Tensor::le_(const Scalar& b) const {
  return inplace("le_", *this, [&](const Tensor& before) { return taper::le(before, b); });
}
const Tensor& Tensor::gt_(const Scalar& b) const {
  return inplace("gt_", *this, [&](const Tensor& before) { return taper::gt(before, b); });
}
const Tensor& Tensor::ge_(const Scalar& b) const {
  return inplace("ge_", *this, [&](const Tensor& before) { return taper::ge(before, b); });
}
const Tensor& Tensor::copy_(const Tensor& source, bool non_blocking) const {
  return taper::copy_(*this, source, non_blocking);
}
const Tensor& Tensor::fill_(const Scalar& value) const { return taper::fill_(*this, value); }
const Tensor& Tensor::zero_() const { return taper::zero_(*this); }
const Tensor& Tensor::resize_(const Shape& sizes) const { return taper::resize_(*this, sizes); }
const Tensor& Tensor::exp_() const {
  return inplace("exp_", *this, [&](const Tensor& before) { return taper::exp(before); });
}
const Tensor& Tensor::exp2_() const {
  return inplace("exp2_", *this, [&](const Tensor& before) { return taper::exp2(before); });
}
const Tensor& Tensor::expm1_() const {
  return inplace("expm1_", *this, [&](const Tensor& before) { return taper::expm1(before); });
}
const Tensor& Tensor::log_() const {
  return inplace("log_", *this, [&](const Tensor& before) { return taper::log(before); });
}
const Tensor& Tensor::log2_() const {
  return inplace("log2_", *this, [&](const Tensor& before) { return taper::log2(before); });
}
const Tensor& Tensor::log10_() const {
  return inplace("log10_", *this, [&](const Tensor& before) { return taper::log10(before); });
}
const Tensor& Tensor::log1p_() const {
  return inplace("log1p_", *this, [&](const Tensor& before) { return taper::log1p(before); });
}
const Tensor& Tensor::sqrt_() const {
  return inplace("sqrt_", *this, [&](const Tensor& before) { return taper::sqrt(before); });
}
const Tensor& Tensor::rsqrt_() const {
  return inplace("rsqrt_", *this, [&](const Tensor& before) { return taper::rsqrt(before); });
}
const Tensor& Tensor::reciprocal_() const {
  return inplace("reciprocal_", *this, [&](const Tensor& before) { return taper::reciprocal(before); });
}
const Tensor& Tensor::square_() const {
  return inplace("square_", *this, [&](const Tensor& before) { return taper::square(before); });
}
const Tensor& Tensor::pow_(const Tensor& b) const {
  return inplace("pow_", *this, [&](const Tensor& before) { return taper::pow(before, b); });
}
const Tensor& Tensor::pow_(const Scalar& b) const {
  return inplace("pow_", *this, [&](const Tensor& before) { return taper::pow(before, b); });
}
const Tensor& Tensor::xlogy_(const Tensor& y) const {
  return inplace("xlogy_", *this, [&](const Tensor& before) { return taper::xlogy(before, y); });
}
const Tensor& Tensor::scatter_(std::int64_t dim, const Tensor& index, const Tensor& source) const {
  return inplace("scatter_", *this,
                 [&](const Tensor& before) { return taper::scatter(before, dim, index, source); });
}
const Tensor& Tensor::scatter_(std::int64_t dim, const Tensor& index, const Scalar& value) const {
  return inplace("scatter_", *this,
                 [&](const Tensor& before) { return taper::scatter(before, dim, index, value); });
}
const Tensor& Tensor::scatter_add_(std::int64_t dim, const Tensor& index, const Tensor& source) const {
  return inplace("scatter_add_", *this,
                 [&](const Tensor& before) { return taper::scatter_add(before, dim, index, source); });
}
const Tensor& Tensor::index_add_(std::int64_t dim, const Tensor& index, const Tensor& source,
                                 const Scalar& alpha) const {
  return inplace("index_add_", *this,
                 [&](const Tensor& before) { return taper::index_add(before, dim, index, source, alpha); });
}
const Tensor& Tensor::tril_(std::int64_t diagonal) const {
  return inplace("tril_", *this, [&](const Tensor& before) { return taper::tril(before, diagonal); });
}
const Tensor& Tensor::triu_(std::int64_t diagonal) const {
  return inplace("triu_", *this, [&](const Tensor& before) { return taper::triu(before, diagonal); });
}
const Tensor& Tensor::logical_not_() const {
  return inplace("logical_not_", *this, [&](const Tensor& before) { return taper::logical_not(before); });
}
const Tensor& Tensor::logical_and_(const Tensor& b) const {
  return inplace("logical_and_", *this, [&](const Tensor& before) { return taper::logical_and(before, b); });
}
const Tensor& Tensor::logical_or_(const Tensor& b) const {
  return inplace("logical_or_", *this, [&](const Tensor& before) { return taper::logical_or(before, b); });
}
const Tensor& Tensor::logical_xor_(const Tensor& b) const {
  return inplace("logical_xor_", *this, [&](const Tensor& before) { return taper::logical_xor(before, b); });
}
const Tensor& Tensor::bitwise_not_() const {
  return inplace("bitwise_not_", *this, [&](const Tensor& before) { return taper::bitwise_not(before); });
}
const Tensor& Tensor::bitwise_and_(const Tensor& b) const {
  return inplace("bitwise_and_", *this, [&](const Tensor& before) { return taper::bitwise_and(before, b); });
}
const Tensor& Tensor::bitwise_or_(const Tensor& b) const {
  return inplace("bitwise_or_", *this, [&](const Tensor& before) { return taper::bitwise_or(before, b); });
}
const Tensor& Tensor::bitwise_xor_(const Tensor& b) const {
  return inplace("bitwise_xor_", *this, [&](const Tensor& before) { return taper::bitwise_xor(before, b); });
}
const Tensor& Tensor::bitwise_left_shift_(const Tensor& b) const {
  return inplace("bitwise_left_shift_", *this,
                 [&](const Tensor& before) { return taper::bitwise_left_shift(before, b); });
}
const Tensor& Tensor::bitwise_right_shift_(const Tensor& b) const {
  return inplace("bitwise_right_shift_", *this,
                 [&](const Tensor& before) { return taper::bitwise_right_shift(before, b); });
}
const Tensor& Tensor::addmm_(const Tensor& a, const Tensor& b, const Scalar& beta,
                             const Scalar& alpha) const {
  return inplace("addmm_", *this,
                 [&](const Tensor& before) { return taper::addmm(before, a, b, beta, alpha); });
}
const Tensor& Tensor::baddbmm_(const Tensor& a, const Tensor& b, const Scalar& beta,
                               const Scalar& alpha) const {
  return inplace("baddbmm_", *this,
                 [&](const Tensor& before) { return taper::baddbmm(before, a, b, beta, alpha); });
}
const Tensor& Tensor::addmv_(const Tensor& a, const Tensor& b, const Scalar& beta,
                             const Scalar& alpha) const {
  return inplace("addmv_", *this,
                 [&](const Tensor& before) { return taper::addmv(before, a, b, beta, alpha); });
}
const Tensor& Tensor::addr_(const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) const {
  return inplace("addr_", *this,
                 [&](const Tensor& before) { return taper::addr(before, a, b, beta, alpha); });
}
const Tensor& Tensor::addbmm_(const Tensor& a, const Tensor& b, const Scalar& beta,
                              const Scalar& alpha) const {
  return inplace("addbmm_", *this,
                 [&](const Tensor& before) { return taper::addbmm(before, a, b, beta, alpha); });
}
const Tensor& Tensor::ldexp_(const Tensor& exponent) const {
  return inplace("ldexp_", *this, [&](const Tensor& before) { return taper::ldexp(before, exponent); });
}
const Tensor& Tensor::uniform_(double low, double high, std::optional<Generator> generator) const {
  return taper::uniform_(*this, low, high, generator);
}
const Tensor& Tensor::normal_(double mean, double std, std::optional<Generator> generator) const {
  return taper::normal_(*this, mean, std, generator);
}
const Tensor& Tensor::bernoulli_(double p, std::optional<Generator> generator) const {
  return taper::bernoulli_(*this, p, generator);
}
const Tensor& Tensor::exponential_(double rate, std::optional<Generator> generator) const {
  return taper::exponential_(*this, rate, generator);
}
const Tensor& Tensor::cauchy_(double median, double sigma, std::optional<Generator> generator) const {
  return taper::cauchy_(*this, median, sigma, generator);
}
const Tensor& Tensor::log_normal_(double mean, double std, std::optional<Generator> generator) const {
  return taper::log_normal_(*this, mean, std, generator);
}
const Tensor& Tensor::geometric_(double p, std::optional<Generator> generator) const {
  return taper::geometric_(*this, p, generator);
}
const Tensor& Tensor::random_(std::int64_t low, std::int64_t high, std::optional<Generator> generator) const {
  return taper::random_(*this, low, high, generator);
}
const Tensor& Tensor::abs_() const {
  return inplace("abs_", *this, [&](const Tensor& before) { return taper::abs(before); });
}
const Tensor& Tensor::sign_() const {
  return inplace("sign_", *this, [&](const Tensor& before) { return taper::sign(before); });
}
const Tensor& Tensor::sgn_() const {
  return inplace("sgn_", *this, [&](const Tensor& before) { return taper::sgn(before); });
}
const Tensor& Tensor::floor_() const {
  return inplace("floor_", *this, [&](const Tensor& before) { return taper::floor(before); });
}
const Tensor& Tensor::ceil_() const {
  return inplace("ceil_", *this, [&](const Tensor& before) { return taper::ceil(before); });
}
const Tensor& Tensor::round_(std::int64_t decimals) const {
  return inplace("round_", *this, [&](const Tensor& before) { return taper::round(before, decimals); });
}
const Tensor& Tensor::trunc_() const {
  return inplace("trunc_", *this, [&](const Tensor& before) { return taper::trunc(before); });
}
const Tensor& Tensor::frac_() const {
  return inplace("frac_", *this, [&](const Tensor& before) { return taper::frac(before); });
}
const Tensor& Tensor::floor_divide_(const Tensor& b) const {
  return inplace("floor_divide_", *this,
                 [&](const Tensor& before) { return taper::floor_divide(before, b); });
}
const Tensor& Tensor::remainder_(const Tensor& b) const {
  return inplace("remainder_", *this, [&](const Tensor& before) { return taper::remainder(before, b); });
}
const Tensor& Tensor::fmod_(const Tensor& b) const {
  return inplace("fmod_", *this, [&](const Tensor& before) { return taper::fmod(before, b); });
}
const Tensor& Tensor::copysign_(const Tensor& b) const {
  return inplace("copysign_", *this, [&](const Tensor& before) { return taper::copysign(before, b); });
}
const Tensor& Tensor::nextafter_(const Tensor& b) const {
  return inplace("nextafter_", *this, [&](const Tensor& before) { return taper::nextafter(before, b); });
}
const Tensor& Tensor::heaviside_(const Tensor& b) const {
  return inplace("heaviside_", *this, [&](const Tensor& before) { return taper::heaviside(before, b); });
}
const Tensor& Tensor::gcd_(const Tensor& b) const {
  return inplace("gcd_", *this, [&](const Tensor& before) { return taper::gcd(before, b); });
}
const Tensor& Tensor::lcm_(const Tensor& b) const {
  return inplace("lcm_", *this, [&](const Tensor& before) { return taper::lcm(before, b); });
}
const Tensor& Tensor::cumsum_(std::int64_t dim, std::optional<DType> dtype) const {
  return inplace("cumsum_", *this, [&](const Tensor& before) { return taper::cumsum(before, dim, dtype); });
}
const Tensor& Tensor::cumprod_(std::int64_t dim, std::optional<DType> dtype) const {
  return inplace("cumprod_", *this, [&](const Tensor& before) { return taper::cumprod(before, dim, dtype); });
}
const Tensor& Tensor::scatter_reduce_(std::int64_t dim, const Tensor& index, const Tensor& source,
                                      std::string_view reduce, bool include_self) const {
  return inplace("scatter_reduce_", *this, [&](const Tensor& before) {
    return taper::scatter_reduce(before, dim, index, source, reduce, include_self);
  });
}
const Tensor& Tensor::index_reduce_(std::int64_t dim, const Tensor& index, const Tensor& source,
                                    std::string_view reduce, bool include_self) const {
  return inplace("index_reduce_", *this, [&](const Tensor& before) {
    return taper::index_reduce(before, dim, index, source, reduce, include_self);
  });
}
const Tensor& Tensor::masked_scatter_(const Tensor& mask, const Tensor& source) const {
  return inplace("masked_scatter_", *this,
                 [&](const Tensor& before) { return taper::masked_scatter(before, mask, source); });
}
const Tensor& Tensor::put_(const Tensor& index, const Tensor& source, bool accumulate) const {
  return inplace("put_", *this,
                 [&](const Tensor& before) { return taper::put(before, index, source, accumulate); });
}
const Tensor& Tensor::clamp_(std::optional<Scalar> low, std::optional<Scalar> high) const {
  return inplace("clamp_", *this, [&](const Tensor& before) { return taper::clamp(before, low, high); });
}
const Tensor& Tensor::clamp_(const Tensor& low, const Tensor& high) const {
  return inplace("clamp_", *this, [&](const Tensor& before) { return taper::clamp(before, low, high); });
}
const Tensor& Tensor::masked_fill_(const Tensor& mask, const Scalar& value) const {
  return inplace("masked_fill_", *this,
                 [&](const Tensor& before) { return taper::masked_fill(before, mask, value); });
}
const Tensor& Tensor::masked_fill_(const Tensor& mask, const Tensor& value) const {
  return inplace("masked_fill_", *this,
                 [&](const Tensor& before) { return taper::masked_fill(before, mask, value); });
}
const Tensor& Tensor::lerp_(const Tensor& b, const Tensor& weight) const {
  return inplace("lerp_", *this, [&](const Tensor& before) { return taper::lerp(before, b, weight); });
}
const Tensor& Tensor::lerp_(const Tensor& b, const Scalar& weight) const {
  return inplace("lerp_", *this, [&](const Tensor& before) { return taper::lerp(before, b, weight); });
}
const Tensor& Tensor::addcmul_(const Tensor& a, const Tensor& b, const Scalar& value) const {
  return inplace("addcmul_", *this,
                 [&](const Tensor& before) { return taper::addcmul(before, a, b, value); });
}
const Tensor& Tensor::addcdiv_(const Tensor& a, const Tensor& b, const Scalar& value) const {
  return inplace("addcdiv_", *this,
                 [&](const Tensor& before) { return taper::addcdiv(before, a, b, value); });
}
const Tensor& Tensor::nan_to_num_(double nan, std::optional<double> posinf,
                                  std::optional<double> neginf) const {
  return inplace("nan_to_num_", *this,
                 [&](const Tensor& before) { return taper::nan_to_num(before, nan, posinf, neginf); });
}
const Tensor& Tensor::i0_() const {
  return inplace("i0_", *this, [&](const Tensor& before) { return taper::i0(before); });
}
const Tensor& Tensor::igamma_(const Tensor& x) const {
  return inplace("igamma_", *this, [&](const Tensor& before) { return taper::igamma(before, x); });
}
const Tensor& Tensor::igammac_(const Tensor& x) const {
  return inplace("igammac_", *this, [&](const Tensor& before) { return taper::igammac(before, x); });
}
const Tensor& Tensor::mvlgamma_(std::int64_t p) const {
  return inplace("mvlgamma_", *this, [&](const Tensor& before) { return taper::mvlgamma(before, p); });
}
const Tensor& Tensor::renorm_(double p, std::int64_t dim, double maxnorm) const {
  return inplace("renorm_", *this,
                 [&](const Tensor& before) { return taper::renorm(before, p, dim, maxnorm); });
}
const Tensor& Tensor::sin_() const {
  return inplace("sin_", *this, [&](const Tensor& before) { return taper::sin(before); });
}
const Tensor& Tensor::cos_() const {
  return inplace("cos_", *this, [&](const Tensor& before) { return taper::cos(before); });
}
const Tensor& Tensor::tan_() const {
  return inplace("tan_", *this, [&](const Tensor& before) { return taper::tan(before); });
}
const Tensor& Tensor::asin_() const {
  return inplace("asin_", *this, [&](const Tensor& before) { return taper::asin(before); });
}
const Tensor& Tensor::acos_() const {
  return inplace("acos_", *this, [&](const Tensor& before) { return taper::acos(before); });
}
const Tensor& Tensor::atan_() const {
  return inplace("atan_", *this, [&](const Tensor& before) { return taper::atan(before); });
}
const Tensor& Tensor::sinh_() const {
  return inplace("sinh_", *this, [&](const Tensor& before) { return taper::sinh(before); });
}
const Tensor& Tensor::cosh_() const {
  return inplace("cosh_", *this, [&](const Tensor& before) { return taper::cosh(before); });
}
const Tensor& Tensor::tanh_() const {
  return inplace("tanh_", *this, [&](const Tensor& before) { return taper::tanh(before); });
}
const Tensor& Tensor::asinh_() const {
  return inplace("asinh_", *this, [&](const Tensor& before) { return taper::asinh(before); });
}
const Tensor& Tensor::acosh_() const {
  return inplace("acosh_", *this, [&](const Tensor& before) { return taper::acosh(before); });
}
const Tensor& Tensor::atanh_() const {
  return inplace("atanh_", *this, [&](const Tensor& before) { return taper::atanh(before); });
}
const Tensor& Tensor::atan2_(const Tensor& b) const {
  return inplace("atan2_", *this, [&](const Tensor& before) { return taper::atan2(before, b); });
}
const Tensor& Tensor::hypot_(const Tensor& b) const {
  return inplace("hypot_", *this, [&](const Tensor& before) { return taper::hypot(before, b); });
}
const Tensor& Tensor::sinc_() const {
  return inplace("sinc_", *this, [&](const Tensor& before) { return taper::sinc(before); });
}
const Tensor& Tensor::deg2rad_() const {
  return inplace("deg2rad_", *this, [&](const Tensor& before) { return taper::deg2rad(before); });
}
const Tensor& Tensor::rad2deg_() const {
  return inplace("rad2deg_", *this, [&](const Tensor& before) { return taper::rad2deg(before); });
}

}  // namespace taper
