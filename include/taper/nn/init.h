// Initial values of parameters, written in place and without history.
#pragma once

#include <string_view>
#include <utility>

#include "taper/tensor.h"

namespace taper::nn::init {

/// Inputs and outputs of one unit of a weight of at least 2 dimensions: (fan-in, fan-out).
std::pair<std::int64_t, std::int64_t> fans(const Tensor& weight);
/// The factor by which weights before a nonlinearity are larger than before a linear function.
double calculate_gain(std::string_view nonlinearity, double param = 0.01);

const Tensor& uniform_(const Tensor& x, double low = 0, double high = 1);
const Tensor& normal_(const Tensor& x, double mean = 0, double std = 1);
/// Normal numbers within [low, high], by the inverse of the distribution function.
const Tensor& trunc_normal_(const Tensor& x, double mean = 0, double std = 1, double low = -2,
                            double high = 2);
const Tensor& constant_(const Tensor& x, double value);
const Tensor& ones_(const Tensor& x);
const Tensor& zeros_(const Tensor& x);
/// The identity matrix.
const Tensor& eye_(const Tensor& x);
/// Convolution weights that keep their input: 3 to 5 dimensions.
const Tensor& dirac_(const Tensor& x, std::int64_t groups = 1);
/// Glorot & Bengio 2010.
const Tensor& xavier_uniform_(const Tensor& x, double gain = 1);
const Tensor& xavier_normal_(const Tensor& x, double gain = 1);
/// He et al., arXiv:1502.01852. mode: "fan_in" or "fan_out".
const Tensor& kaiming_uniform_(const Tensor& x, double a = 0, std::string_view mode = "fan_in",
                               std::string_view nonlinearity = "leaky_relu");
const Tensor& kaiming_normal_(const Tensor& x, double a = 0, std::string_view mode = "fan_in",
                              std::string_view nonlinearity = "leaky_relu");
/// A matrix with orthonormal rows or columns: Saxe et al., arXiv:1312.6120.
const Tensor& orthogonal_(const Tensor& x, double gain = 1);
/// Columns with this share of zeros, the rest normal: Martens 2010.
const Tensor& sparse_(const Tensor& x, double sparsity, double std = 0.01);

}  // namespace taper::nn::init
