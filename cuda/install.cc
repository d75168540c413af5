// The kernels of this library, in the place of the CPU's.
#include "cuda/install.h"

#include "cuda/attention.h"
#include "cuda/convolution.h"
#include "cuda/ctc.h"
#include "cuda/cudnn_recurrent.h"
#include "cuda/elementwise.h"
#include "cuda/embedding.h"
#include "cuda/fourier.h"
#include "cuda/index.h"
#include "cuda/interpolate.h"
#include "cuda/linalg.h"
#include "cuda/mask.h"
#include "cuda/matmul.h"
#include "cuda/norm.h"
#include "cuda/optimizer.h"
#include "cuda/pooling.h"
#include "cuda/random.h"
#include "cuda/recurrent.h"
#include "cuda/reduce.h"
#include "cuda/scan.h"
#include "cuda/softmax.h"
#include "cuda/sort.h"
#include "tensor/device_kernel.h"

namespace taper::cuda {

namespace {

template <auto cpu_kernel>
void install(decltype(cpu_kernel) function) {
  DeviceKernel<cpu_kernel>::function = function;
}

void install_elementwise_kernels() {
  install_arithmetic();
  install_comparisons();
  install_mathematics();
  install_activations();
  install_gradients();
  install_integer_functions();
  install_special_functions();
  install_bessel_functions();
  install_polynomials();
  install_complex_functions();
  install_complex_trigonometry();
  device_map = map;
  install<cpu::copy>(copy);
  install<cpu::fill>(fill);
}

void install_reductions() {
  install<cpu::sum>(sum);
  install<cpu::nansum>(nansum);
  install<cpu::prod>(prod);
  install<cpu::mean>(mean);
  install<cpu::var>(var);
  install<cpu::norm>(norm);
  install<static_cast<void (*)(const cpu::Reduction&)>(cpu::logsumexp)>(logsumexp);
  install<cpu::max>(max);
  install<cpu::min>(min);
  install<cpu::argmax>(argmax);
  install<cpu::argmin>(argmin);
  install<cpu::max_with_indices>(max_with_indices);
  install<cpu::min_with_indices>(min_with_indices);
  install<cpu::any>(any);
  install<cpu::all>(all);
  install<cpu::count_nonzero>(count_nonzero);
  install<cpu::softmax>(softmax);
  install<cpu::log_softmax>(log_softmax);
  install<cpu::softmax_backward>(softmax_backward);
  install<cpu::log_softmax_backward>(log_softmax_backward);
  install<cpu::cross_entropy>(cross_entropy);
  install<cpu::cross_entropy_backward>(cross_entropy_backward);
  install<cpu::ctc_loss>(ctc_loss);
  install<cpu::ctc_loss_backward>(ctc_loss_backward);
}

void install_norms_and_pooling() {
  install<cpu::row_norm>(row_norm);
  install<cpu::row_norm_backward>(row_norm_backward);
  install<cpu::batch_norm>(batch_norm);
  install<cpu::batch_norm_backward>(batch_norm_backward);
  install<cpu::max_pool>(max_pool);
  install<cpu::max_pool_backward>(max_pool_backward);
  install<cpu::average_pool>(average_pool);
  install<cpu::average_pool_backward>(average_pool_backward);
}

void install_networks() {
  install<cpu::convolution_forward>(convolution_forward);
  install<cpu::convolution_relu>(convolution_relu);
  install<cpu::convolution_backward_input>(convolution_backward_input);
  install<cpu::convolution_backward_weight>(convolution_backward_weight);
  install<cpu::batch_norm_inference>(batch_norm_inference);
  install<cpu::group_norm>(group_norm);
  install<cpu::group_norm_backward>(group_norm_backward);
  install<cpu::interpolate>(interpolate);
  install<cpu::interpolate_backward>(interpolate_backward);
  install<cpu::embedding_bag>(embedding_bag);
  install<cpu::embedding_bag_backward>(embedding_bag_backward);
  install<cpu::embedding_bag_backward_samples>(embedding_bag_backward_samples);
  install<cpu::attention>(attention);
  install<cpu::attention_backward>(attention_backward);
  install<cpu::lstm_cell>(lstm_cell);
  install<cpu::lstm_cell_backward>(lstm_cell_backward);
  install<cpu::gru_cell>(gru_cell);
  install<cpu::gru_cell_backward>(gru_cell_backward);
  device_recurrent = {cudnn_recurrent_reserve, cudnn_recurrent, cudnn_recurrent_backward};
}

void install_indexing() {
  install<cpu::gather>(gather);
  install<cpu::scatter>(scatter);
  install<cpu::index_select>(index_select);
  install<cpu::index_add>(index_add);
  install<cpu::index>(index);
  install<cpu::index_put>(index_put);
  install<cpu::embedding>(embedding);
  install<cpu::embedding_backward>(embedding_backward);
}

void install_scans() {
  install<cpu::cumsum>(cumsum);
  install<cpu::cumprod>(cumprod);
  install<cpu::logcumsumexp>(logcumsumexp);
  install<cpu::linear_recurrence>(linear_recurrence);
  install<cpu::cummax>(cummax);
  install<cpu::cummin>(cummin);
}

void install_order() {
  install<cpu::sort>(sort);
  install<cpu::topk>(topk);
  install<cpu::kthvalue>(kthvalue);
  install<cpu::median>(median);
  install<cpu::unique>(unique);
  install<cpu::unique_consecutive>(unique_consecutive);
  install<cpu::searchsorted>(searchsorted);
  install<cpu::bincount_size>(bincount_size);
  install<cpu::bincount>(bincount);
  install<cpu::weighted_bincount>(weighted_bincount);
  install<cpu::histc>(histc);
  install<cpu::count_true>(count_true);
  install<cpu::nonzero>(nonzero);
}

void install_random() {
  using Probability = void (*)(cpu::PhiloxState, void*, DType, std::int64_t, double);
  using Probabilities = void (*)(cpu::PhiloxState, void*, DType, std::int64_t, const void*, DType);
  install<cpu::uniform>(uniform);
  install<cpu::normal>(normal);
  install<cpu::exponential>(exponential);
  install<cpu::randint>(randint);
  install<Probability(cpu::bernoulli)>(bernoulli);
  install<Probabilities(cpu::bernoulli)>(bernoulli);
}

void install_linalg() {
  install<cpu::lu_factor>(lu_factor);
  install<cpu::lu_solve>(lu_solve);
  install<cpu::cholesky>(cholesky);
  install<cpu::solve_triangular>(solve_triangular);
  install<cpu::qr>(qr);
  install<cpu::geqrf>(geqrf);
  install<cpu::eigh>(eigh);
  install<cpu::eig>(eig);
  install<cpu::svd>(svd);
  install<cpu::matrix_exp>(matrix_exp);
  install<cpu::fft>(fft);
}

template <class Options>
void install_step() {
  constexpr void (*kernel)(const Options&, const std::vector<cpu::Parameter>&) = cpu::step;
  install<kernel>(step);
}

}  // namespace

void install_kernels() {
  install_elementwise_kernels();
  install_reductions();
  install_norms_and_pooling();
  install_networks();
  install_indexing();
  install_scans();
  install_order();
  install_random();
  install_linalg();
  install<cpu::gemm>(gemm);
  install<cpu::gemm_batched>(gemm_batched);
  install<cpu::gemm_activated>(gemm_activated);
  install<cpu::gemm_with_sums>(gemm_with_sums);
  install_step<cpu::Sgd>();
  install_step<cpu::Adam>();
  install_step<cpu::RmsProp>();
  install_step<cpu::Adagrad>();
}

}  // namespace taper::cuda
