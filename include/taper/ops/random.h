// Random numbers: the same for the same seed on every machine and at any number of threads.
#pragma once

#include <optional>

#include "taper/generator.h"
#include "taper/tensor.h"

namespace taper {

/// Seed and offset of a generator as a uint8 tensor of 16 bytes, the same that Python's get_rng_state()
/// gives: with it in a checkpoint, a program goes on with the numbers that it would have drawn.
Tensor get_rng_state(const Generator& generator = default_generator());
/// Restores such a state. Throws ValueError for any other tensor.
void set_rng_state(const Tensor& state, const Generator& generator = default_generator());

/// Uniform on [0, 1).
Tensor rand(const Shape& sizes, DType dtype = default_dtype(),
            std::optional<Generator> generator = std::nullopt, Device device = {});
/// Normal with mean 0 and variance 1.
Tensor randn(const Shape& sizes, DType dtype = default_dtype(),
             std::optional<Generator> generator = std::nullopt, Device device = {});
/// Integers in [low, high).
Tensor randint(std::int64_t low, std::int64_t high, const Shape& sizes, DType dtype = int64,
               std::optional<Generator> generator = std::nullopt, Device device = {});
/// The integers 0 to n - 1 in random order.
Tensor randperm(std::int64_t n, std::optional<Generator> generator = std::nullopt, DType dtype = int64,
                Device device = {});
/// 1 with the probability that the element of p gives, else 0.
Tensor bernoulli(const Tensor& p, std::optional<Generator> generator = std::nullopt);
/// Indices drawn by the weights of rows. Throws ValueError for negative or non-finite weights, or too few.
Tensor multinomial(const Tensor& weights, std::int64_t count, bool replacement = false,
                   std::optional<Generator> generator = std::nullopt);
const Tensor& uniform_(const Tensor& x, double low = 0, double high = 1,
                       std::optional<Generator> generator = std::nullopt);
const Tensor& normal_(const Tensor& x, double mean = 0, double std = 1,
                      std::optional<Generator> generator = std::nullopt);
const Tensor& bernoulli_(const Tensor& x, double p = 0.5, std::optional<Generator> generator = std::nullopt);
const Tensor& exponential_(const Tensor& x, double rate = 1,
                           std::optional<Generator> generator = std::nullopt);
const Tensor& cauchy_(const Tensor& x, double median = 0, double sigma = 1,
                      std::optional<Generator> generator = std::nullopt);
const Tensor& log_normal_(const Tensor& x, double mean = 1, double std = 2,
                          std::optional<Generator> generator = std::nullopt);
/// Numbers of trials, from 1, until the first success of probability p.
const Tensor& geometric_(const Tensor& x, double p, std::optional<Generator> generator = std::nullopt);
const Tensor& random_(const Tensor& x, std::int64_t low, std::int64_t high,
                      std::optional<Generator> generator = std::nullopt);
/// Elements are zeroed with probability p while training, the others scaled by 1 / (1 - p).
Tensor dropout(const Tensor& x, double p = 0.5, bool training = true);
/// The same for whole channels (dimension 1).
Tensor feature_dropout(const Tensor& x, double p = 0.5, bool training = true);
/// Dropout that keeps mean and variance of SELU's activations: Klambauer et al. 2017, arXiv:1706.02515.
Tensor alpha_dropout(const Tensor& x, double p = 0.5, bool training = false);
/// The same for whole channels (dimension 1).
Tensor feature_alpha_dropout(const Tensor& x, double p = 0.5, bool training = false);
/// leaky_relu with slopes drawn from [lower, upper] while training, with their mean otherwise.
Tensor rrelu(const Tensor& x, double lower = 1.0 / 8, double upper = 1.0 / 3, bool training = false);
/// Samples of a relaxed categorical distribution, or with hard of the distribution itself with the gradient
/// of the relaxed one. Jang et al. 2016, arXiv:1611.01144.
Tensor gumbel_softmax(const Tensor& logits, double tau = 1, bool hard = false, std::int64_t dim = -1);

}  // namespace taper
