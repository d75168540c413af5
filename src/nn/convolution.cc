// Convolutions and their transposes.
#include "taper/nn/convolution.h"

#include "nn/initial.h"
#include "ops/per_dimension.h"
#include "taper/autograd.h"

namespace taper::nn {

namespace {

Shape weight_sizes(std::int64_t rows, std::int64_t columns, std::int64_t groups, const Shape& kernel,
                   const char* layer) {
  check<ValueError>(groups > 0 && rows % groups == 0 && columns % groups == 0, layer, ": channels ", columns,
                    " and ", rows, " are not divisible by groups=", groups);
  Shape sizes{rows, columns / groups};
  for (const std::int64_t size : kernel) sizes.push_back(size);
  return sizes;
}

template <class Options>
std::string text_of(std::int64_t in, std::int64_t out, const Tensor& weight, const Options& options,
                    int dims) {
  const Shape kernel(weight.sizes().data() + 2, dims);
  const Shape padding = per_dimension(options.padding, dims, "Conv", "padding"),
              dilation = per_dimension(options.dilation, dims, "Conv", "dilation");
  std::string text = concat(in, ", ", out, ", kernel_size=", tuple_text(kernel),
                            ", stride=", tuple_text(per_dimension(options.stride, dims, "Conv", "stride")));
  if (padding != Shape::filled(dims, 0)) text += ", padding=" + tuple_text(padding);
  if (dilation != Shape::filled(dims, 1)) text += ", dilation=" + tuple_text(dilation);
  if (options.groups != 1) text += concat(", groups=", options.groups);
  if (!options.bias) text += ", bias=False";
  return text;
}

}  // namespace

template <int dims>
Conv<dims>::Conv(std::int64_t in_channels, std::int64_t out_channels, const Extent& kernel_size,
                 ConvOptions options)
    : weight(register_parameter(
          "weight", empty(weight_sizes(out_channels, in_channels, options.groups,
                                       per_dimension(kernel_size, dims, "Conv", "kernel_size"), "Conv")))),
      in_channels_(in_channels),
      options_(std::move(options)) {
  const NoGrad initial;
  const std::int64_t fan_in = numel(weight.sizes()) / std::max<std::int64_t>(out_channels, 1);
  copy_(weight, by_fan_in(weight.sizes(), fan_in));
  if (options_.bias) bias_ = &register_parameter("bias", by_fan_in({out_channels}, fan_in));
}

template <int dims>
Tensor Conv<dims>::forward(const Tensor& x) {
  const bool zeros = options_.padding_mode == "zeros";
  Tensor input = x;
  if (!zeros) {
    const Shape padding = per_dimension(options_.padding, dims, "Conv", "padding");
    Shape pairs;
    for (int i = dims - 1; i >= 0; --i) pairs.push_back(padding[i]), pairs.push_back(padding[i]);
    input = pad(x, pairs, options_.padding_mode);
  }
  return convolution(input, weight, bias(), options_.stride, zeros ? Shape(options_.padding) : Shape{0},
                     options_.dilation, options_.groups);
}

template <int dims>
std::string Conv<dims>::extra_repr() const {
  const std::string text = text_of(in_channels_, weight.sizes()[0], weight, options_, dims);
  return options_.padding_mode == "zeros" ? text : text + ", padding_mode=" + options_.padding_mode;
}

template <int dims>
ConvTranspose<dims>::ConvTranspose(std::int64_t in_channels, std::int64_t out_channels,
                                   const Extent& kernel_size, ConvTransposeOptions options)
    : weight(register_parameter(
          "weight", empty(weight_sizes(in_channels, out_channels, options.groups,
                                       per_dimension(kernel_size, dims, "ConvTranspose", "kernel_size"),
                                       "ConvTranspose")))),
      out_channels_(out_channels),
      options_(std::move(options)) {
  const NoGrad initial;
  const std::int64_t fan_in = numel(weight.sizes()) / std::max<std::int64_t>(in_channels, 1);
  copy_(weight, by_fan_in(weight.sizes(), fan_in));
  if (options_.bias) bias_ = &register_parameter("bias", by_fan_in({out_channels}, fan_in));
}

template <int dims>
Tensor ConvTranspose<dims>::forward(const Tensor& x) {
  return convolution_transpose(x, weight, bias(), options_.stride, options_.padding, options_.output_padding,
                               options_.groups, options_.dilation);
}

template <int dims>
std::string ConvTranspose<dims>::extra_repr() const {
  return text_of(weight.sizes()[0], out_channels_, weight, options_, dims);
}

template class Conv<1>;
template class Conv<2>;
template class Conv<3>;
template class ConvTranspose<1>;
template class ConvTranspose<2>;
template class ConvTranspose<3>;

}  // namespace taper::nn
