// Checkpoints and tensor files: nested values there and back, sharing, damage, NumPy's formats.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "io/safetensors.h"
#include "io_mutations.h"
#include "io_temporary.h"
#include "taper/error.h"
#include "taper/io.h"
#include "taper/ops.h"

namespace taper {
namespace {

using testing::message_of;
using testing::TemporaryDirectory;

std::vector<float> values(const Tensor& tensor) {
  const Tensor dense = contiguous(tensor);
  return {dense.data<float>(), dense.data<float>() + dense.numel()};
}

State round_trip(const State& state) { return load_from_memory(save_to_memory(state)); }

TEST(Checkpoint, KeepsEveryKindOfValue) {
  State state = State::dict();
  state["none"] = State();
  state["flag"] = true;
  state["integer"] = std::numeric_limits<std::int64_t>::min();
  state["float"] = 0.1;
  state["whole"] = 3.0;
  state["minus zero"] = -0.0;
  state["infinity"] = -std::numeric_limits<double>::infinity();
  state["text"] = "quoted \" and \xc3\xa9";
  state["bytes"] = State::Bytes{std::string("\0\xff", 2)};
  state["list"] = State::list({1, "two", State::list({}), State::dict()});
  state["tuple"] = State::tuple({State::tuple({})});
  state["tagged"] = State(7).tagged("special");
  state.as_dict().emplace_back(-5, "integer key");
  state.as_dict().emplace_back(State::tuple({1, "a"}), "tuple key");
  const State loaded = round_trip(state);
  EXPECT_TRUE(loaded == state);
  EXPECT_TRUE(loaded.at("whole").is_double());
  EXPECT_TRUE(std::signbit(loaded.at("minus zero").as_double()));
  EXPECT_TRUE(std::isnan(round_trip(State(std::nan(""))).as_double()));
  EXPECT_TRUE(round_trip(State()).is_none());
}

TEST(Checkpoint, KeepsTensors) {
  State state = State::dict();
  const Tensor x = reshape(arange(6, 12, 1, float32), {2, 3});
  state["x"] = x;
  state["t"] = transpose(x, 0, 1);
  state["empty"] = empty({0, 4}, DType::int16);
  state["scalar"] = tensor(2.5, DType::bfloat16);
  state["z"] = full({2}, std::complex<double>(1, -2), DType::complex128);
  const State loaded = round_trip(state);
  EXPECT_EQ(values(loaded.at("x").as_tensor()), values(x));
  EXPECT_EQ(values(loaded.at("t").as_tensor()), values(transpose(x, 0, 1)));
  EXPECT_EQ(loaded.at("empty").as_tensor().sizes(), Shape({0, 4}));
  EXPECT_EQ(loaded.at("scalar").as_tensor().item<double>(), 2.5);
  EXPECT_EQ(loaded.at("z").as_tensor().dtype(), DType::complex128);
  EXPECT_EQ(loaded.at("z").as_tensor().data<std::complex<double>>()[1], std::complex<double>(1, -2));
}

TEST(Checkpoint, TheSameTensorStaysOne) {
  const Tensor x = ones({3}), y = ones({3}).requires_grad_();
  const State loaded = round_trip(State::list({x, x, x.detach(), y, y.detach()}));
  EXPECT_TRUE(loaded.at(0).as_tensor().is(loaded.at(1).as_tensor()));
  EXPECT_TRUE(loaded.at(0).as_tensor().is(loaded.at(2).as_tensor()));
  EXPECT_TRUE(loaded.at(3).as_tensor().requires_grad());
  EXPECT_FALSE(loaded.at(4).as_tensor().requires_grad());
  EXPECT_EQ(loaded.at(3).as_tensor().data(), loaded.at(4).as_tensor().data());
  EXPECT_NE(loaded.at(0).as_tensor().data(), loaded.at(3).as_tensor().data());
}

TEST(Checkpoint, NamesOfTensorsAreReadable) {
  State model = State::dict();
  model["fc.weight"] = ones({2});
  model["fc.bias"] = ones({2});
  State state = State::dict();
  state["model"] = model;
  state["list"] = State::list({zeros({1})});
  state["model.fc"] = State::dict();
  state["model.fc"]["bias"] = zeros({1});
  NamedTexts metadata;
  std::vector<std::string> names;
  for (const auto& [name, tensor] : load_safetensors_from_memory(save_to_memory(state), &metadata))
    names.push_back(name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"model.fc.weight", "model.fc.bias", "list.0", "model.fc.bias#2"}));
  ASSERT_EQ(metadata.size(), 1u);
  EXPECT_EQ(metadata[0].first, "taper.tree");
}

TEST(Checkpoint, ReadsPlainSafetensors) {
  const std::string bytes =
      save_safetensors_to_memory({{"b", ones({2})}, {"a", zeros({1})}}, {{"format", "pt"}});
  const State state = load_from_memory(bytes);
  ASSERT_EQ(state.size(), 2u);
  EXPECT_EQ(state.as_dict()[0].first.as_text(), "b");
  EXPECT_EQ(values(state.at("b").as_tensor()), (std::vector<float>{1, 1}));
}

TEST(Checkpoint, DepthIsLimited) {
  State deep = 1;
  for (int i = 0; i < 400; ++i) deep = State::list({deep});
  EXPECT_TRUE(round_trip(deep) == deep);
  for (int i = 0; i < 200; ++i) deep = State::list({deep});
  EXPECT_THROW(save_to_memory(deep), ValueError);
  const std::string open(1000000, '[');
  const auto tree = [](const std::string& text) {
    return save_safetensors_to_memory({}, {{"taper.tree", text}});
  };
  EXPECT_THROW(load_from_memory(tree("{\"version\":1,\"root\":" + open)), IOError);
  const std::string nested = std::string(900, '[') + std::string(900, ']');
  EXPECT_EQ(message_of<IOError>([&] { load_from_memory(tree("{\"version\":1,\"root\":" + nested + "}")); }),
            "buffer: the tree is nested deeper than 500 levels");
}

TEST(Checkpoint, RefusesDamagedTrees) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "buffer: the entry taper.tree of its metadata is damaged"},
      {"{\"version\":2,\"root\":1}", "buffer: was saved by a newer version of Taper"},
      {"{\"version\":1,\"root\":{}}", "buffer: the tree has an object of unknown form"},
      {"{\"version\":1,\"root\":{\"code\":1}}",
       "buffer: the tree has a value of unknown kind; was it saved by a newer version?"},
      {"{\"version\":1,\"root\":{\"tensor\":\"x\"}}",
       "buffer: the tree names tensor 'x', which the file does not have"},
      {"{\"version\":1,\"root\":{\"tensor\":1}}", "buffer: the tree has something else where text belongs"},
      {"{\"version\":1,\"root\":{\"dict\":[[1]]}}",
       "buffer: the tree has a dictionary entry that is not a pair"},
      {"{\"version\":1,\"root\":{\"float\":\"big\"}}", "buffer: the tree has a float of unknown name"},
      {"{\"version\":1,\"root\":18446744073709551615}", "buffer: the tree has an integer beyond 64 bits"},
  };
  for (const auto& [tree, message] : cases)
    EXPECT_EQ(message_of<IOError>([&, &tree = tree] {
                load_from_memory(save_safetensors_to_memory({}, {{"taper.tree", tree}}));
              }),
              message);
}

TEST(Checkpoint, NoMutatedTreeCrashes) {
  State state = State::dict();
  state["x"] = State::list({ones({2}), 1.5, "text", State::Bytes{"abc"}, State::tuple({State(), true})});
  const NamedTensors tensors = load_safetensors_from_memory(save_to_memory(state));
  NamedTexts metadata;
  load_safetensors_from_memory(save_to_memory(state), &metadata);
  testing::Mutator mutate(11);
  for (int i = 0; i < 5000; ++i) {
    const std::string tree = mutate(metadata[0].second);
    try {
      load_from_memory(save_safetensors_to_memory(tensors, {{"taper.tree", tree}}));
    } catch (const Error&) {
    }
  }
}

TEST(Checkpoint, TextMustBeUtf8) {
  EXPECT_EQ(message_of<ValueError>([] { save_to_memory(State("\xff")); }),
            "save: some text is not UTF-8; save it as bytes");
}

TEST(State, Access) {
  State state;
  state["lr"] = 1;
  state["steps"] = State::list({1, 2});
  EXPECT_EQ(state.at("lr").as_double(), 1.0);
  EXPECT_EQ(state.at("steps").at(1).as_int(), 2);
  EXPECT_EQ(message_of<IndexError>([&] { state.at("lR"); }),
            "state: there is no 'lR'; the keys are: lr, steps");
  EXPECT_EQ(message_of<IndexError>([&] { state.at("steps").at(2); }), "state: index 2 of a list of 2 items");
  EXPECT_EQ(message_of<ValueError>([&] { state.at("lr").as_text(); }),
            "state: expected text, found an integer");
}

TEST(NpyFiles, RoundTrip) {
  const TemporaryDirectory directory;
  const Tensor x = reshape(arange(0, 24, 1, float32), {2, 3, 4});
  save_npy(permute(x, {2, 0, 1}), directory / "x.npy");
  EXPECT_EQ(values(load_npy(directory / "x.npy")), values(permute(x, {2, 0, 1})));
  for (const bool compress : {false, true}) {
    save_npz({{"x", x}, {"scalar", tensor(3)}}, directory / "x.npz", compress);
    const NamedTensors loaded = load_npz(directory / "x.npz");
    ASSERT_EQ(loaded.size(), 2u);
    EXPECT_EQ(loaded[0].first, "x");
    EXPECT_EQ(values(loaded[0].second), values(x));
    EXPECT_EQ(loaded[1].second.item<std::int64_t>(), 3);
  }
  EXPECT_THROW(save_npz({{"x", x}, {"x", x}}, directory / "x.npz"), ValueError);
}

TEST(NpyFiles, ColumnMajorBecomesRowMajor) {
  const TemporaryDirectory directory;
  const std::string dict = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n";
  std::string file = std::string("\x93NUMPY\1\0", 8) + char(dict.size()) + '\0' + dict;
  for (const float value : {0.f, 3.f, 1.f, 4.f, 2.f, 5.f})
    file.append(reinterpret_cast<const char*>(&value), 4);
  testing::write_file(directory / "f.npy", file);
  const Tensor x = load_npy(directory / "f.npy");
  EXPECT_EQ(x.sizes(), Shape({2, 3}));
  EXPECT_TRUE(x.is_contiguous());
  EXPECT_EQ(values(x), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

}  // namespace
}  // namespace taper
