// Normalization by statistics of the input, and its gradient.
#include <cmath>

#include "step.h"

namespace device_sim {

namespace {

/// Of the elements of x, the numbers of the statistic and of the weight that belong to each.
struct Places {
  std::vector<size_t> statistic, weight;

  Places(const Tensor& x, const Tensor& statistics, const Tensor& weights) {
    for (int64_t i = 0; i < x.count(); ++i) {
      const auto index = index_of(i, x.sizes);
      statistic.push_back(size_t(shared_number(statistics.sizes, x.sizes, index)));
      weight.push_back(size_t(shared_number(weights.sizes, x.sizes, index)));
    }
  }
};

/// Throws Refused unless the statistics are those of a kind of norm of x.
void check_norm(cudnnBackendNormMode_t mode, const Tensor& x, const Tensor& weight, const Tensor& rstd) {
  auto features = x.sizes, rows = x.sizes;
  features[0] = 1;
  for (size_t d = 1; d < rows.size(); ++d) rows[d] = 1;
  if (mode == CUDNN_BATCH_NORM)
    for (size_t d = 2; d < features.size(); ++d) features[d] = 1;
  else if (mode != CUDNN_LAYER_NORM && mode != CUDNN_RMS_NORM) throw Refused("no such norm here");
  if (weight.sizes != features || rstd.sizes != (mode == CUDNN_BATCH_NORM ? features : rows))
    throw Refused("weight or statistics of a norm have other sizes");
  if (weight.type != CUDNN_DATA_FLOAT || rstd.type != CUDNN_DATA_FLOAT)
    throw Refused("weight and statistics of a norm must be float32");
}

Step forward_step(const Descriptor& d) {
  const auto mode = d.value<cudnnBackendNormMode_t>(CUDNN_ATTR_OPERATION_NORM_FWD_MODE);
  if (d.value<cudnnBackendNormFwdPhase_t>(CUDNN_ATTR_OPERATION_NORM_FWD_PHASE) != CUDNN_NORM_FWD_TRAINING)
    throw Refused("a norm by given statistics is not here");
  const Tensor x(d.part(CUDNN_ATTR_OPERATION_NORM_FWD_XDESC)), y(d.part(CUDNN_ATTR_OPERATION_NORM_FWD_YDESC)),
      weight(d.part(CUDNN_ATTR_OPERATION_NORM_FWD_SCALE_DESC)),
      rstd(d.part(CUDNN_ATTR_OPERATION_NORM_FWD_INV_VARIANCE_DESC)),
      epsilon(d.part(CUDNN_ATTR_OPERATION_NORM_FWD_EPSILON_DESC));
  check_norm(mode, x, weight, rstd);
  const bool centered = mode != CUDNN_RMS_NORM;
  std::vector<Tensor> inputs{x, weight, epsilon}, outputs{y, rstd};
  if (centered) {
    inputs.emplace_back(d.part(CUDNN_ATTR_OPERATION_NORM_FWD_BIAS_DESC));
    outputs.emplace_back(d.part(CUDNN_ATTR_OPERATION_NORM_FWD_MEAN_DESC));
    check_norm(mode, x, inputs.back(), outputs.back());
  }
  return {"norm", inputs, outputs, [=](const std::vector<Elements>& in) {
            const Places at(x, rstd, weight);
            const size_t count = in[0].size(), statistics = size_t(rstd.count());
            const double share = double(statistics) / double(count);
            Elements mean(statistics), variance(statistics), result(count);
            for (size_t i = 0; centered && i < count; ++i) mean[at.statistic[i]] += in[0][i] * share;
            for (size_t i = 0; i < count; ++i)
              variance[at.statistic[i]] += std::pow(in[0][i] - mean[at.statistic[i]], 2) * share;
            for (double& v : variance) v = 1 / std::sqrt(v + in[2][0]);
            for (size_t i = 0; i < count; ++i)
              result[i] =
                  (in[0][i] - mean[at.statistic[i]]) * variance[at.statistic[i]] * in[1][at.weight[i]] +
                  (centered ? in[3][at.weight[i]] : 0);
            return centered ? std::vector<Elements>{result, variance, mean}
                            : std::vector<Elements>{result, variance};
          }};
}

Step backward_step(const Descriptor& d) {
  const auto mode = d.value<cudnnBackendNormMode_t>(CUDNN_ATTR_OPERATION_NORM_BWD_MODE);
  const Tensor x(d.part(CUDNN_ATTR_OPERATION_NORM_BWD_XDESC)),
      dy(d.part(CUDNN_ATTR_OPERATION_NORM_BWD_DYDESC)), dx(d.part(CUDNN_ATTR_OPERATION_NORM_BWD_DXDESC)),
      weight(d.part(CUDNN_ATTR_OPERATION_NORM_BWD_SCALE_DESC)),
      rstd(d.part(CUDNN_ATTR_OPERATION_NORM_BWD_INV_VARIANCE_DESC)),
      dweight(d.part(CUDNN_ATTR_OPERATION_NORM_BWD_DSCALE_DESC));
  check_norm(mode, x, weight, rstd), check_norm(mode, x, dweight, rstd);
  if (dy.sizes != x.sizes || dx.sizes != x.sizes) throw Refused("gradients of a norm have other sizes");
  const bool centered = mode != CUDNN_RMS_NORM;
  std::vector<Tensor> inputs{x, dy, weight, rstd}, outputs{dx, dweight};
  if (centered) {
    inputs.emplace_back(d.part(CUDNN_ATTR_OPERATION_NORM_BWD_MEAN_DESC));
    outputs.emplace_back(d.part(CUDNN_ATTR_OPERATION_NORM_BWD_DBIAS_DESC));
    check_norm(mode, x, outputs.back(), inputs.back());
  }
  return {"norm_backward", inputs, outputs, [=](const std::vector<Elements>& in) {
            const Places at(x, rstd, weight);
            const size_t count = in[0].size(), statistics = size_t(rstd.count());
            const double share = double(statistics) / double(count);
            Elements normal(count), average(statistics), along(statistics), result(count);
            Elements of_weight(size_t(weight.count())), of_bias(size_t(weight.count()));
            for (size_t i = 0; i < count; ++i) {
              const size_t s = at.statistic[i], w = at.weight[i];
              normal[i] = (in[0][i] - (centered ? in[4][s] : 0)) * in[3][s];
              of_weight[w] += in[1][i] * normal[i], of_bias[w] += in[1][i];
              average[s] += in[1][i] * in[2][w] * share, along[s] += in[1][i] * in[2][w] * normal[i] * share;
            }
            for (size_t i = 0; i < count; ++i) {
              const size_t s = at.statistic[i];
              result[i] = in[3][s] * (in[1][i] * in[2][at.weight[i]] - (centered ? average[s] : 0) -
                                      normal[i] * along[s]);
            }
            return centered ? std::vector<Elements>{result, of_weight, of_bias}
                            : std::vector<Elements>{result, of_weight};
          }};
}

}  // namespace

Step norm_step(const Descriptor& operation) {
  return operation.type == CUDNN_BACKEND_OPERATION_NORM_FORWARD_DESCRIPTOR ? forward_step(operation)
                                                                           : backward_step(operation);
}

}  // namespace device_sim
