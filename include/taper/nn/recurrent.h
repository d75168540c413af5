// Recurrent layers and cells.
#pragma once

#include <optional>
#include <tuple>

#include "taper/nn/module.h"
#include "taper/nn/packed_sequence.h"

namespace taper::nn {

using utils::rnn::PackedSequence;

struct RecurrentOptions {
  std::int64_t num_layers = 1;
  bool bias = true, batch_first = false;
  /// Of the outputs of all layers but the last, while training.
  double dropout = 0;
  bool bidirectional = false;
  /// LSTM only: size to which hidden states are projected; 0: none.
  std::int64_t proj_size = 0;
  /// RNN only: "tanh" or "relu".
  std::string nonlinearity = "tanh";
};

/// What RNN, LSTM and GRU share: layers and directions over x [T, N, input] ([N, T, input] with batch_first,
/// or [T, input]), or over packed sequences, whose results are packed in the same way. States are
/// [layers * directions, N, hidden], in the order of the sequences as they came.
class Recurrent : public Module {
 public:
  std::string extra_repr() const override;

 protected:
  /// kind: as taper::recurrent names it.
  Recurrent(std::string kind, int gates, std::int64_t input_size, std::int64_t hidden_size,
            RecurrentOptions options);
  /// Output and the final states, from initial states that may be undefined (zero).
  std::pair<Tensor, Tensors> run(const Tensor& x, const Tensors& initial, int states);
  std::pair<PackedSequence, Tensors> run(const PackedSequence& x, const Tensors& initial, int states);
  RecurrentOptions options_;

 private:
  // x [T, N, input], or packed with batch_sizes: the output and the final states.
  Tensors run_layers(const Tensor& x, const Tensors& initial, int states, std::int64_t sequences,
                     const std::optional<Shape>& batch_sizes);
  std::string kind_;
  std::int64_t input_size_, hidden_size_;
  std::vector<Tensor*> weights_;  // of each layer and direction, in the order of taper::recurrent
};

/// h' = tanh(W x + b + V h + c), or relu: Elman 1990.
class RNN : public Recurrent {
 public:
  RNN(std::int64_t input_size, std::int64_t hidden_size, RecurrentOptions options = {});
  /// (output of the last layer at every step, final h)
  std::tuple<Tensor, Tensor> forward(const Tensor& x, const Tensor& h);
  std::tuple<PackedSequence, Tensor> forward(const PackedSequence& x, const Tensor& h);
  template <class Input>
  auto operator()(const Input& x, const Tensor& h = {}) {
    return forward(x, h);
  }

 private:
  using Module::forward;
};

/// Long short-term memory: Hochreiter & Schmidhuber 1997, projection: Sak et al. 2014.
class LSTM : public Recurrent {
 public:
  LSTM(std::int64_t input_size, std::int64_t hidden_size, RecurrentOptions options = {});
  /// (output of the last layer at every step, final (h, c))
  std::tuple<Tensor, std::tuple<Tensor, Tensor>> forward(const Tensor& x, const Tensor& h, const Tensor& c);
  std::tuple<PackedSequence, std::tuple<Tensor, Tensor>> forward(const PackedSequence& x, const Tensor& h,
                                                                 const Tensor& c);
  template <class Input>
  auto operator()(const Input& x, const Tensor& h = {}, const Tensor& c = {}) {
    return forward(x, h, c);
  }

 private:
  using Module::forward;
};

/// Gated recurrent unit: Cho et al., arXiv:1406.1078, with the reset gate after the product.
class GRU : public Recurrent {
 public:
  GRU(std::int64_t input_size, std::int64_t hidden_size, RecurrentOptions options = {});
  std::tuple<Tensor, Tensor> forward(const Tensor& x, const Tensor& h);
  std::tuple<PackedSequence, Tensor> forward(const PackedSequence& x, const Tensor& h);
  template <class Input>
  auto operator()(const Input& x, const Tensor& h = {}) {
    return forward(x, h);
  }

 private:
  using Module::forward;
};

/// What the cells share.
class Cell : public Module {
 public:
  std::string extra_repr() const override;

 protected:
  Cell(int gates, std::int64_t input_size, std::int64_t hidden_size, bool bias);
  Tensor gates_of(const Tensor& x) const;
  Tensor state_or_zero(const Tensor& x, const Tensor& state) const;
  Tensor hidden_bias() const;

 private:
  std::int64_t hidden_size_;
  Tensor& weight_ih_;

 protected:
  Tensor& weight_hh_;

 private:
  Tensor *bias_ih_ = nullptr, *bias_hh_ = nullptr;
};

/// One step of an RNN: x [N, input] or [input], h [N, hidden] or [hidden] -> h'.
class RNNCell : public Cell {
 public:
  RNNCell(std::int64_t input_size, std::int64_t hidden_size, bool bias = true,
          std::string nonlinearity = "tanh");
  Tensor forward(const Tensor& x) override { return forward(x, Tensor()); }
  Tensor forward(const Tensor& x, const Tensor& h);
  Tensor operator()(const Tensor& x, const Tensor& h = {}) { return forward(x, h); }

 private:
  std::string nonlinearity_;
};

/// One step of an LSTM: (h', c').
class LSTMCell : public Cell {
 public:
  LSTMCell(std::int64_t input_size, std::int64_t hidden_size, bool bias = true);
  std::tuple<Tensor, Tensor> forward(const Tensor& x, const Tensor& h, const Tensor& c);
  std::tuple<Tensor, Tensor> operator()(const Tensor& x, const Tensor& h = {}, const Tensor& c = {}) {
    return forward(x, h, c);
  }

 private:
  using Module::forward;
};

/// One step of a GRU.
class GRUCell : public Cell {
 public:
  GRUCell(std::int64_t input_size, std::int64_t hidden_size, bool bias = true);
  Tensor forward(const Tensor& x) override { return forward(x, Tensor()); }
  Tensor forward(const Tensor& x, const Tensor& h);
  Tensor operator()(const Tensor& x, const Tensor& h = {}) { return forward(x, h); }
};

}  // namespace taper::nn
