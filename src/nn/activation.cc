// Activations as modules.
#include "taper/nn/activation.h"

#include "nn/initial.h"

namespace taper::nn {

ReLU::ReLU() : Lambda([](const Tensor& x) { return relu(x); }) {}
ReLU6::ReLU6() : Lambda([](const Tensor& x) { return relu6(x); }) {}
Sigmoid::Sigmoid() : Lambda([](const Tensor& x) { return sigmoid(x); }) {}
Tanh::Tanh() : Lambda([](const Tensor& x) { return tanh(x); }) {}
SiLU::SiLU() : Lambda([](const Tensor& x) { return silu(x); }) {}
Mish::Mish() : Lambda([](const Tensor& x) { return mish(x); }) {}
SELU::SELU() : Lambda([](const Tensor& x) { return selu(x); }) {}
Hardsigmoid::Hardsigmoid() : Lambda([](const Tensor& x) { return hardsigmoid(x); }) {}
Hardswish::Hardswish() : Lambda([](const Tensor& x) { return hardswish(x); }) {}
Softsign::Softsign() : Lambda([](const Tensor& x) { return softsign(x); }) {}
Tanhshrink::Tanhshrink() : Lambda([](const Tensor& x) { return tanhshrink(x); }) {}
LogSigmoid::LogSigmoid() : Lambda([](const Tensor& x) { return logsigmoid(x); }) {}
GELU::GELU(std::string approximate)
    : Lambda([approximate = std::move(approximate)](const Tensor& x) { return gelu(x, approximate); }) {}
LeakyReLU::LeakyReLU(double slope) : Lambda([=](const Tensor& x) { return leaky_relu(x, slope); }) {}
ELU::ELU(double alpha) : Lambda([=](const Tensor& x) { return elu(x, alpha); }) {}
CELU::CELU(double alpha) : Lambda([=](const Tensor& x) { return celu(x, alpha); }) {}
Softplus::Softplus(double beta, double threshold)
    : Lambda([=](const Tensor& x) { return softplus(x, beta, threshold); }) {}
Hardtanh::Hardtanh(double low, double high)
    : Lambda([=](const Tensor& x) { return hardtanh(x, low, high); }) {}
Hardshrink::Hardshrink(double lambda) : Lambda([=](const Tensor& x) { return hardshrink(x, lambda); }) {}
Softshrink::Softshrink(double lambda) : Lambda([=](const Tensor& x) { return softshrink(x, lambda); }) {}
Threshold::Threshold(double threshold, double value)
    : Lambda([=](const Tensor& x) { return taper::threshold(x, threshold, value); }) {}
GLU::GLU(std::int64_t dim) : Lambda([=](const Tensor& x) { return glu(x, dim); }) {}
Softmax::Softmax(std::int64_t dim) : Lambda([=](const Tensor& x) { return softmax(x, dim); }) {}
Softmin::Softmin(std::int64_t dim) : Lambda([=](const Tensor& x) { return softmax(neg(x), dim); }) {}
LogSoftmax::LogSoftmax(std::int64_t dim) : Lambda([=](const Tensor& x) { return log_softmax(x, dim); }) {}
Softmax2d::Softmax2d()
    : Lambda([](const Tensor& x) {
        check<ShapeError>(x.ndim() == 3 || x.ndim() == 4, "Softmax2d: expected 3 or 4 dimensions, got shape ",
                          x.sizes());
        return softmax(x, -3);
      }) {}

PReLU::PReLU(std::int64_t num_parameters, double init)
    : weight(register_parameter("weight", full({num_parameters}, init, default_dtype()))) {}

Tensor PReLU::forward(const Tensor& x) { return prelu(x, weight); }

Tensor RReLU::forward(const Tensor& x) { return rrelu(x, lower_, upper_, is_training()); }

}  // namespace taper::nn
