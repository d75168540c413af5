// Convolution through oneDNN: always in its channels-last kernels, in parts that do not depend on the thread
// count.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "cpu/convolution_paths.h"
#include "cpu/map.h"
#include "cpu/onednn.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace taper::cpu {
namespace {

using dnnl::memory;
using Dims = memory::dims;
using int64 = std::int64_t;

enum class Pass : int { forward, backward_input, backward_weight };

/// A convolution primitive for dense operands, with the reorders that its weights need.
struct Prepared {
  bool found = false, channels_last = true;
  memory::desc x, w, plain_w, bias, y, scratchpad, reorder_scratchpad;
  dnnl::primitive primitive,
      reorder_w;  // reorder_w: plain to blocked, or back for the gradient; null if plain
};
using Handle = std::shared_ptr<const Prepared>;

memory::data_type type_of(DType dtype) {
  return dtype == DType::bfloat16 ? memory::data_type::bf16 : memory::data_type::f32;
}

/// Gradients of weights are sums over parts, kept in float32.
memory::data_type weight_type(const Convolution& c, Pass pass) {
  return pass == Pass::backward_weight ? memory::data_type::f32 : type_of(c.dtype);
}

memory::format_tag tag_of(int spatial_dims, bool channels_last) {
  using tag = memory::format_tag;
  constexpr tag plain[] = {tag::ncw, tag::nchw, tag::ncdhw}, last[] = {tag::nwc, tag::nhwc, tag::ndhwc};
  return (channels_last ? last : plain)[spatial_dims - 1];
}

Dims sizes_of(const Convolution& c, int64 channels, const int64 (&spatial)[3]) {
  Dims sizes{c.batch, channels};
  sizes.insert(sizes.end(), spatial, spatial + c.spatial_dims);
  return sizes;
}

Dims weight_sizes(const Convolution& c) {
  Dims sizes{c.out_channels / c.groups, c.in_channels / c.groups};
  if (c.groups > 1) sizes.insert(sizes.begin(), c.groups);
  sizes.insert(sizes.end(), c.kernel, c.kernel + c.spatial_dims);
  return sizes;
}

memory::format_tag weight_tag(const Convolution& c) {
  using tag = memory::format_tag;
  constexpr tag plain[] = {tag::oiw, tag::oihw, tag::oidhw}, grouped[] = {tag::goiw, tag::goihw, tag::goidhw};
  return (c.groups > 1 ? grouped : plain)[c.spatial_dims - 1];
}

/// Padding behind that makes oneDNN's output size exactly c.output; negative where trailing inputs are not
/// reached.
int64 exact_padding_after(const Convolution& c, int i) {
  return (c.output[i] - 1) * c.stride[i] + c.dilation[i] * (c.kernel[i] - 1) + 1 - c.input[i] -
         c.padding_before[i];
}

struct Sizes {
  Dims stride, dilation, before, after;
  explicit Sizes(const Convolution& c) {
    for (int i = 0; i < c.spatial_dims; ++i) {
      stride.push_back(c.stride[i]);
      dilation.push_back(c.dilation[i] - 1);
      before.push_back(c.padding_before[i]);
      after.push_back(exact_padding_after(c, i));
    }
  }
};

template <class Description>
bool is_usable(const Description& description) {
  return description && std::string_view(description.impl_info_str()).find("ref") == std::string_view::npos;
}

/// The kernel for dense operands in one memory order; found is false if oneDNN has only its reference loop.
Prepared make_in_order(const Convolution& c, Pass pass, bool with_bias, bool channels_last) {
  const auto type = type_of(c.dtype);
  const memory::format_tag tag = tag_of(c.spatial_dims, channels_last);
  const memory::desc x(sizes_of(c, c.in_channels, c.input), type, tag);
  const memory::desc y(sizes_of(c, c.out_channels, c.output), type, tag);
  const memory::desc any_w(weight_sizes(c), weight_type(c, pass), memory::format_tag::any);
  memory::desc bias;
  if (with_bias) bias = memory::desc({c.out_channels}, weight_type(c, pass), memory::format_tag::a);
  const auto direct = dnnl::algorithm::convolution_direct;
  const Sizes s(c);
  auto& engine = onednn_engine();
  Prepared result;
  result.channels_last = channels_last, result.x = x, result.bias = bias, result.y = y;
  const auto keep = [&](const auto& description, auto primitive_type) {
    if (!is_usable(description)) return;
    result.w = pass == Pass::backward_weight ? description.diff_weights_desc() : description.weights_desc();
    result.scratchpad = description.scratchpad_desc();
    result.primitive = typename decltype(primitive_type)::type(description);
    result.found = true;
  };
  const dnnl::convolution_forward::primitive_desc forward(
      engine, dnnl::prop_kind::forward_training, direct, x, any_w,
      pass == Pass::backward_input ? memory::desc() : bias, y, s.stride, s.dilation, s.before, s.after,
      onednn_user_scratchpad(), true);
  if (pass == Pass::forward) {
    keep(forward, std::type_identity<dnnl::convolution_forward>());
  } else if (forward && pass == Pass::backward_input) {
    keep(dnnl::convolution_backward_data::primitive_desc(engine, direct, x, any_w, y, s.stride, s.dilation,
                                                         s.before, s.after, forward, onednn_user_scratchpad(),
                                                         true),
         std::type_identity<dnnl::convolution_backward_data>());
  } else if (forward) {
    keep(dnnl::convolution_backward_weights::primitive_desc(engine, direct, x, any_w, bias, y, s.stride,
                                                            s.dilation, s.before, s.after, forward,
                                                            onednn_user_scratchpad(), true),
         std::type_identity<dnnl::convolution_backward_weights>());
  }
  return result;
}

void add_weight_reorder(const Convolution& c, Pass pass, Prepared& prepared) {
  prepared.plain_w = memory::desc(weight_sizes(c), weight_type(c, pass), weight_tag(c));
  if (prepared.w == prepared.plain_w) return;
  const auto& from = pass == Pass::backward_weight ? prepared.w : prepared.plain_w;
  const auto& to = pass == Pass::backward_weight ? prepared.plain_w : prepared.w;
  const dnnl::reorder::primitive_desc description(onednn_engine(), from, onednn_engine(), to,
                                                  onednn_user_scratchpad());
  prepared.reorder_scratchpad = description.scratchpad_desc();
  prepared.reorder_w = dnnl::reorder(description);
}

/// Whether oneDNN's channels-last kernel would write behind its workspace: if the kernel is of one element
/// and strided, it places positions a block of channels apart, but has room for the channels only.
bool overruns_workspace(const Convolution& c, Pass pass) {
  constexpr int64 largest_block = 16;
  bool strided = false;
  for (int i = 0; i < c.spatial_dims; ++i) {
    if (c.kernel[i] != 1) return false;
    strided |= c.stride[i] != 1;
  }
  return strided && pass == Pass::backward_weight && c.in_channels < largest_block;
}

/// Channels-last kernels are the fastest everywhere but one place: gradients to the image of a first layer,
/// with its one to four channels, are up to seven times faster by oneDNN's gemm (measured on Zen 4).
Prepared make(const Convolution& c, Pass pass, bool with_bias) {
  const OpenMpThreads single(1);  // primitives split their work by the number of threads at their creation
  const bool plain_first = pass == Pass::backward_input && c.groups == 1 && c.in_channels <= 4;
  for (const bool channels_last : {!plain_first, plain_first}) {
    if (channels_last && overruns_workspace(c, pass)) continue;
    try {
      Prepared prepared = make_in_order(c, pass, with_bias, channels_last);
      if (!prepared.found) continue;
      add_weight_reorder(c, pass, prepared);
      return prepared;
    } catch (const dnnl::error&) {  // sizes that oneDNN does not take
    }
  }
  return {};
}

Handle prepare(const Convolution& c, Pass pass, bool with_bias) {
  static auto* cache = new PrimitiveCache<Prepared>;
  PrimitiveKey key{int(pass), with_bias, int(c.dtype),  c.spatial_dims,
                   c.batch,   c.groups,  c.in_channels, c.out_channels};
  for (int i = 0; i < c.spatial_dims; ++i)
    key.insert(key.end(),
               {c.input[i], c.kernel[i], c.output[i], c.stride[i], c.padding_before[i], c.dilation[i]});
  return cache->get(key, [&] { return make(c, pass, with_bias); });
}

/// Part of an activation: sizes and strides in elements, batch and channels first.
struct View {
  Dims sizes, strides;
  char* data;
  memory::data_type type;
};

Dims dense_strides(const Dims& sizes, bool channels_last) {
  Dims strides(sizes.size());
  int64 stride = 1;
  if (channels_last) strides[1] = stride, stride *= sizes[1];
  for (std::size_t i = sizes.size() - 1; i >= 2; --i) strides[i] = stride, stride *= sizes[i];
  if (!channels_last) strides[1] = stride, stride *= sizes[1];
  strides[0] = stride;
  return strides;
}

bool is_dense(const View& view, bool channels_last) {
  const Dims dense = dense_strides(view.sizes, channels_last);
  for (std::size_t i = 0; i < dense.size(); ++i)
    if (view.sizes[i] != 1 && view.strides[i] != dense[i]) return false;
  return true;
}

std::size_t bytes_of(const View& view) {
  std::size_t bytes = memory::data_type_size(view.type);
  for (const int64 size : view.sizes) bytes *= std::size_t(size);
  return bytes;
}

/// A view made dense in the order a primitive wants: the view itself where it is, else a copy.
class Dense {
 public:
  Dense(const View& view, bool channels_last)
      : view_(view),
        dense_(is_dense(view, channels_last)),
        strides_(dense_strides(view.sizes, channels_last)),
        copy_(dense_ ? 0 : bytes_of(view)) {}

  void* data() { return dense_ ? view_.data : copy_.data(); }
  void* loaded() {
    if (!dense_) copy(sizes(), operand(view_.data, view_.strides), operand(copy_.data(), strides_));
    return data();
  }
  void store() {
    if (!dense_) copy(sizes(), operand(copy_.data(), strides_), operand(view_.data, view_.strides));
  }

 private:
  Shape sizes() const { return Shape(view_.sizes.data(), int(view_.sizes.size())); }
  Operand operand(void* data, const Dims& strides) const {
    return {data, view_.type == memory::data_type::f32 ? DType::float32 : DType::bfloat16, strides.data()};
  }

  const View& view_;
  bool dense_;
  Dims strides_;
  Scratch<char> copy_;
};

/// A piece of the whole, a convolution of its own.
struct Part {
  Convolution sizes;
  int64 image = 0, input_row = 0, output_row = 0, out_channel = 0;
  Handle prepared = nullptr;
  int weights = 0;  // which of the packed weights it uses
};

View input_view(const Convolution& whole, const Part& part, const void* x) {
  Dims whole_sizes = sizes_of(whole, whole.in_channels, whole.input);
  View view{sizes_of(part.sizes, part.sizes.in_channels, part.sizes.input),
            dense_strides(whole_sizes, whole.channels_last), nullptr, type_of(whole.dtype)};
  const int64 offset = part.image * view.strides[0] + part.input_row * view.strides[2];
  view.data = static_cast<char*>(const_cast<void*>(x)) + offset * item_size(whole.dtype);
  return view;
}

View output_view(const Convolution& whole, const Part& part, const void* y) {
  Dims whole_sizes = sizes_of(whole, whole.out_channels, whole.output);
  View view{sizes_of(part.sizes, part.sizes.out_channels, part.sizes.output),
            dense_strides(whole_sizes, whole.channels_last), nullptr, type_of(whole.dtype)};
  const int64 offset =
      part.image * view.strides[0] + part.out_channel * view.strides[1] + part.output_row * view.strides[2];
  view.data = static_cast<char*>(const_cast<void*>(y)) + offset * item_size(whole.dtype);
  return view;
}

/// Multiplications of one image. A part should take about part_work of them: some tenths of a millisecond,
/// long beside the cost of starting it.
double work_of_image(const Convolution& c) {
  return double(volume(c, c.output)) * double(c.out_channels) * double(c.in_channels / c.groups) *
         double(volume(c, c.kernel));
}
constexpr double part_work = 8e6;

int64 ceil_divide(int64 a, int64 b) { return (a + b - 1) / b; }

/// Near-equal runs of images, at least `least` images each.
std::vector<Part> split_batch(const Convolution& c, int64 least) {
  const int64 images = std::clamp(least, int64(1), c.batch);
  const int64 step = ceil_divide(c.batch, ceil_divide(c.batch, images));
  std::vector<Part> parts;
  for (int64 image = 0; image < c.batch; image += step) {
    Part part{c, image};
    part.sizes.batch = std::min(step, c.batch - image);
    parts.push_back(part);
  }
  return parts;
}

/// Rows [begin, end) of the output of one image, from the rows of the input that they touch.
Part part_of_rows(const Convolution& c, int64 image, int64 begin, int64 end) {
  Part part{c, image};
  part.output_row = begin;
  const int64 first = begin * c.stride[0] - c.padding_before[0];
  const int64 last = (end - 1) * c.stride[0] - c.padding_before[0] + c.dilation[0] * (c.kernel[0] - 1) + 1;
  part.input_row = std::max(first, int64(0));
  part.sizes.batch = 1;
  part.sizes.output[0] = end - begin;
  part.sizes.input[0] = std::min(last, c.input[0]) - part.input_row;
  part.sizes.padding_before[0] = part.input_row - first;
  return part;
}

/// Few images are split further, by rows of the output.
std::vector<Part> split_forward(const Convolution& c) {
  const double work = work_of_image(c);
  constexpr int64 enough_parts = 8, least_rows = 4;
  const int64 pieces = std::min({enough_parts / c.batch, int64(work / part_work), c.output[0] / least_rows});
  if (pieces <= 1) return split_batch(c, int64(part_work / work));
  std::vector<Part> parts;
  const int64 step = ceil_divide(c.output[0], pieces);
  for (int64 image = 0; image < c.batch; ++image)
    for (int64 row = 0; row < c.output[0]; row += step) {
      parts.push_back(part_of_rows(c, image, row, std::min(row + step, c.output[0])));
      if (parts.back().sizes.input[0] <= 0) return split_batch(c, 1);  // rows of padding only
    }
  return parts;
}

/// Each part's dw is a partial sum of the size of w, so that a part must bring enough positions to pay for
/// it; where that leaves few parts, output channels are split as well.
std::vector<Part> split_backward_weight(const Convolution& c) {
  constexpr int64 least_positions = 1024, most_parts = 32, least_channels = 64, most_elements = 16 << 20;
  const int64 weights = c.out_channels * (c.in_channels / c.groups) * volume(c, c.kernel);
  const int64 most = std::clamp(most_elements / weights, int64(1), most_parts);
  const int64 least = std::max({int64(part_work / work_of_image(c)), least_positions / volume(c, c.output),
                                ceil_divide(c.batch, most)});
  std::vector<Part> runs = split_batch(c, least);
  const bool worthwhile = work_of_image(c) * double(c.batch) >= 4 * part_work;
  if (runs.size() >= 4 || c.groups > 1 || c.out_channels < 2 * least_channels || !worthwhile) return runs;
  const int64 step = ceil_divide(ceil_divide(c.out_channels, 8), least_channels) * least_channels;
  std::vector<Part> parts;
  for (const Part& run : runs)
    for (int64 channel = 0; channel < c.out_channels; channel += step) {
      parts.push_back(run);
      parts.back().out_channel = channel;
      parts.back().sizes.out_channels = std::min(step, c.out_channels - channel);
    }
  return parts;
}

bool prepare_all(std::vector<Part>& parts, Pass pass, bool with_bias) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Part& part = parts[i];
    const auto same = [&](const Part& other) {
      const Convolution &a = part.sizes, &b = other.sizes;
      return a.batch == b.batch && a.input[0] == b.input[0] && a.output[0] == b.output[0] &&
             a.padding_before[0] == b.padding_before[0] && a.out_channels == b.out_channels;
    };
    const auto earlier = std::find_if(parts.begin(), parts.begin() + std::ptrdiff_t(i), same);
    const bool is_new = earlier == parts.begin() + std::ptrdiff_t(i);
    part.prepared = is_new ? prepare(part.sizes, pass, with_bias) : earlier->prepared;
    if (!part.prepared->found) return false;
  }
  return true;
}

void reorder_weights(const Prepared& prepared, Pass pass, const void* from, void* to) {
  const OpenMpThreads single(1);  // OpenMP's threads would spin beside those of parallel_for
  const bool back = pass == Pass::backward_weight;
  auto& engine = onednn_engine();
  memory source(back ? prepared.w : prepared.plain_w, engine, const_cast<void*>(from));
  memory target(back ? prepared.plain_w : prepared.w, engine, to);
  onednn_execute(prepared.reorder_w, {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, target}},
                 prepared.reorder_scratchpad);
}

/// w in each of the blocked layouts that the parts ask for.
class PackedWeights {
 public:
  PackedWeights(std::vector<Part>& parts, Pass pass, const void* w) {
    std::vector<const Prepared*> layouts;
    for (Part& part : parts) {
      const auto same = [&](const Prepared* other) { return other->w == part.prepared->w; };
      const auto place = std::find_if(layouts.begin(), layouts.end(), same);
      part.weights = int(place - layouts.begin());
      if (place != layouts.end()) continue;
      layouts.push_back(part.prepared.get());
      data_.push_back(part.prepared->reorder_w ? nullptr : const_cast<void*>(w));
      if (data_.back()) continue;
      copies_.push_back(std::make_unique<Scratch<char>>(part.prepared->w.get_size()));
      data_.back() = copies_.back()->data();
      reorder_weights(*part.prepared, pass, w, data_.back());
    }
  }
  void* operator[](int i) const { return data_[std::size_t(i)]; }

 private:
  std::vector<void*> data_;
  std::vector<std::unique_ptr<Scratch<char>>> copies_;
};

template <class F>
void for_each_part(const std::vector<Part>& parts, F&& f) {
  parallel_for(int64(parts.size()), 1, [&](int64 begin, int64 end) {
    const OpenMpThreads single(1);
    for (int64 i = begin; i < end; ++i) f(parts[std::size_t(i)], i);
  });
}

}  // namespace

bool onednn_convolution_forward(const Convolution& c, const void* x, const void* w, const void* bias,
                                void* y) {
  std::vector<Part> parts = split_forward(c);
  if (!prepare_all(parts, Pass::forward, bias != nullptr)) return false;
  const PackedWeights packed(parts, Pass::forward, w);
  for_each_part(parts, [&](const Part& part, int64) {
    const Prepared& p = *part.prepared;
    auto& engine = onednn_engine();
    const View x_view = input_view(c, part, x), y_view = output_view(c, part, y);
    Dense dense_x(x_view, p.channels_last), dense_y(y_view, p.channels_last);
    std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, memory(p.x, engine, dense_x.loaded())},
                                              {DNNL_ARG_WEIGHTS, memory(p.w, engine, packed[part.weights])},
                                              {DNNL_ARG_DST, memory(p.y, engine, dense_y.data())}};
    if (bias) arguments[DNNL_ARG_BIAS] = memory(p.bias, engine, const_cast<void*>(bias));
    onednn_execute(p.primitive, std::move(arguments), p.scratchpad);
    dense_y.store();
  });
  return true;
}

bool onednn_convolution_backward_input(const Convolution& c, const void* dy, const void* w, void* dx) {
  std::vector<Part> parts = split_batch(c, int64(part_work / work_of_image(c)));
  if (!prepare_all(parts, Pass::backward_input, false)) return false;
  const PackedWeights packed(parts, Pass::backward_input, w);
  for_each_part(parts, [&](const Part& part, int64) {
    const Prepared& p = *part.prepared;
    auto& engine = onednn_engine();
    const View dx_view = input_view(c, part, dx), dy_view = output_view(c, part, dy);
    Dense dense_dx(dx_view, p.channels_last), dense_dy(dy_view, p.channels_last);
    onednn_execute(p.primitive,
                   {{DNNL_ARG_DIFF_DST, memory(p.y, engine, dense_dy.loaded())},
                    {DNNL_ARG_WEIGHTS, memory(p.w, engine, packed[part.weights])},
                    {DNNL_ARG_DIFF_SRC, memory(p.x, engine, dense_dx.data())}},
                   p.scratchpad);
    dense_dx.store();
  });
  return true;
}

namespace {

/// The partial sums of dw and dbias, one row a part, and their total in a fixed order.
class WeightGradient {
 public:
  WeightGradient(const Convolution& c, const std::vector<Part>& parts)
      : convolution_(c),
        parts_(parts),
        size_(size_of(parts)),
        dw_(parts.size() * size_),
        dbias_(parts.size() * bias_size()) {
    for (const Part& part : parts)
      for (const Part& other : parts)
        uniform_ &= part.out_channel != other.out_channel || part.prepared->w == other.prepared->w;
  }

  float* dw(int64 part) { return dw_.data() + std::size_t(part) * size_; }
  float* dbias(int64 part) { return dbias_.data() + std::size_t(part) * bias_size(); }

  /// To be called in the part's own thread: parts in different layouts are made plain before they are added.
  void finish_part(int64 i) {
    const Prepared& prepared = *parts_[std::size_t(i)].prepared;
    if (uniform_ || !prepared.reorder_w) return;
    Scratch<char> plain(prepared.plain_w.get_size());
    reorder_weights(prepared, Pass::backward_weight, dw(i), plain.data());
    std::memcpy(dw(i), plain.data(), prepared.plain_w.get_size());
  }

  void total(float* dw_out, float* dbias_out) {
    const int64 row =
        convolution_.in_channels / convolution_.groups * volume(convolution_, convolution_.kernel);
    for (std::size_t first = 0; first < parts_.size() && parts_[first].image == 0; ++first) {
      const Part& part = parts_[first];
      const int64 i = int64(first), channels = part.sizes.out_channels;
      add_others(i, dbias_out != nullptr);
      float* target = dw_out + part.out_channel * row;
      if (uniform_ && part.prepared->reorder_w) {
        reorder_weights(*part.prepared, Pass::backward_weight, dw(i), target);
      } else {
        std::memcpy(target, dw(i), std::size_t(channels * row) * sizeof(float));
      }
      if (dbias_out)
        std::memcpy(dbias_out + part.out_channel, dbias(i), std::size_t(channels) * sizeof(float));
    }
  }

 private:
  static std::size_t size_of(const std::vector<Part>& parts) {
    std::size_t bytes = 0;
    for (const Part& part : parts)
      bytes = std::max({bytes, part.prepared->w.get_size(), part.prepared->plain_w.get_size()});
    return (bytes + 63) / 64 * 16;
  }
  std::size_t bias_size() const { return std::size_t(convolution_.out_channels + 15) / 16 * 16; }

  void add_others(int64 first, bool with_bias) {
    const Part& part = parts_[std::size_t(first)];
    std::vector<int64> others;
    for (std::size_t i = std::size_t(first) + 1; i < parts_.size(); ++i)
      if (parts_[i].out_channel == part.out_channel) others.push_back(int64(i));
    const auto floats =
        int64((uniform_ ? part.prepared->w : part.prepared->plain_w).get_size() / sizeof(float));
    parallel_for(floats, 1 << 14, [&](int64 begin, int64 end) {
      float* sum = dw(first);
      for (const int64 other : others) {
        const float* term = dw(other);
        for (int64 i = begin; i < end; ++i) sum[i] += term[i];
      }
    });
    if (!with_bias) return;
    for (const int64 other : others)
      for (int64 i = 0; i < part.sizes.out_channels; ++i) dbias(first)[i] += dbias(other)[i];
  }

  const Convolution& convolution_;
  const std::vector<Part>& parts_;
  std::size_t size_;
  bool uniform_ = true;
  Scratch<float> dw_, dbias_;
};

}  // namespace

bool onednn_convolution_backward_weight(const Convolution& c, const void* x, const void* dy, float* dw,
                                        float* dbias) {
  std::vector<Part> parts = split_backward_weight(c);
  if (!prepare_all(parts, Pass::backward_weight, dbias != nullptr)) return false;
  WeightGradient gradient(c, parts);
  for_each_part(parts, [&](const Part& part, int64 i) {
    const Prepared& p = *part.prepared;
    auto& engine = onednn_engine();
    const View x_view = input_view(c, part, x), dy_view = output_view(c, part, dy);
    Dense dense_x(x_view, p.channels_last), dense_dy(dy_view, p.channels_last);
    std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, memory(p.x, engine, dense_x.loaded())},
                                              {DNNL_ARG_DIFF_DST, memory(p.y, engine, dense_dy.loaded())},
                                              {DNNL_ARG_DIFF_WEIGHTS, memory(p.w, engine, gradient.dw(i))}};
    if (dbias) arguments[DNNL_ARG_DIFF_BIAS] = memory(p.bias, engine, gradient.dbias(i));
    onednn_execute(p.primitive, std::move(arguments), p.scratchpad);
    gradient.finish_part(i);
  });
  gradient.total(dw, dbias);
  return true;
}

}  // namespace taper::cpu
