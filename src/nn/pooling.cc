// Pooling layers.
#include "taper/nn/pooling.h"

#include "nn/initial.h"

namespace taper::nn {

namespace {

// One size prints as a number, several as a tuple.
std::string size_text(const Shape& sizes) { return sizes.size() == 1 ? concat(sizes[0]) : tuple_text(sizes); }

}  // namespace

template <int dims>
Tensor MaxPool<dims>::forward(const Tensor& x) {
  return std::get<0>(max_pool(x, dims, kernel_size_, options_.stride ? Shape(*options_.stride) : Shape(),
                              options_.padding, options_.dilation, options_.ceil_mode));
}
template <int dims>
std::string MaxPool<dims>::extra_repr() const {
  return concat("kernel_size=", size_text(kernel_size_),
                ", stride=", size_text(options_.stride.value_or(kernel_size_)),
                ", padding=", size_text(options_.padding), ", dilation=", size_text(options_.dilation),
                ", ceil_mode=", options_.ceil_mode ? "True" : "False");
}

template <int dims>
Tensor AvgPool<dims>::forward(const Tensor& x) {
  return average_pool(x, dims, kernel_size_, options_.stride ? Shape(*options_.stride) : Shape(),
                      options_.padding, options_.ceil_mode, options_.count_include_pad,
                      options_.divisor_override);
}
template <int dims>
std::string AvgPool<dims>::extra_repr() const {
  return concat("kernel_size=", size_text(kernel_size_),
                ", stride=", size_text(options_.stride.value_or(kernel_size_)),
                ", padding=", size_text(options_.padding));
}

template <int dims, bool largest>
Tensor AdaptivePool<dims, largest>::forward(const Tensor& x) {
  if constexpr (largest) return std::get<0>(adaptive_max_pool(x, dims, output_size_));
  else return adaptive_average_pool(x, dims, output_size_);
}
template <int dims, bool largest>
std::string AdaptivePool<dims, largest>::extra_repr() const {
  return "output_size=" + size_text(output_size_);
}

template <int dims>
Tensor LPPool<dims>::forward(const Tensor& x) {
  return lp_pool(x, dims, p_, kernel_size_, stride_ ? Shape(*stride_) : Shape(), ceil_mode_);
}

template <int dims>
Tensor MaxUnpool<dims>::operator()(const Tensor& x, const Tensor& indices,
                                   const std::optional<Shape>& output_size) const {
  return max_unpool(x, indices, dims, kernel_size_, stride_ ? Shape(*stride_) : Shape(), padding_,
                    output_size);
}

template class MaxPool<1>;
template class MaxPool<2>;
template class MaxPool<3>;
template class AvgPool<1>;
template class AvgPool<2>;
template class AvgPool<3>;
template class AdaptivePool<1, true>;
template class AdaptivePool<2, true>;
template class AdaptivePool<3, true>;
template class AdaptivePool<1, false>;
template class AdaptivePool<2, false>;
template class AdaptivePool<3, false>;
template class LPPool<1>;
template class LPPool<2>;
template class LPPool<3>;
template class MaxUnpool<1>;
template class MaxUnpool<2>;
template class MaxUnpool<3>;

}  // namespace taper::nn
