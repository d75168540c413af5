// The safetensors format: round trips, every kind of damage, and what is said about it.
#include <gtest/gtest.h>

#include <cstring>

#include "io/safetensors.h"
#include "io_mutations.h"
#include "io_temporary.h"
#include "taper/error.h"

namespace taper::io {
namespace {

using testing::message_of;

// A file with this header and so many data bytes, made without the writer.
std::string raw_file(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), 8);
  return file + header + std::string(data_bytes, '\1');
}

std::string one_tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "{\"x\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
}

void read_all(const std::string& bytes, bool verify = true) {
  const SafetensorsReader reader(open_memory(bytes.data(), bytes.size()), verify);
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    std::string data(reader.tensors()[i].end - reader.tensors()[i].begin, '\0');
    reader.read(i, data.data());
  }
}

struct Example {
  std::vector<TensorInfo> tensors = {{"bias", DType::uint8, {3}, 0, 0},
                                     {"layer.weight", DType::float32, {2, 3}, 0, 0},
                                     {"none", DType::float64, {0, 5}, 0, 0},
                                     {"scalar \"\xc3\xa9\"", DType::bfloat16, {}, 0, 0},
                                     {"mask", DType::boolean, {5}, 0, 0}};
  std::vector<std::string> data = {"abc", std::string("0123456789abcdefghijklmn"), "", "zz",
                                   std::string("\0\1\1\0\1", 5)};
  Metadata metadata = {{"format", "pt"}, {"note", "a \"quoted\"\n line"}};

  std::string bytes() {
    MemorySink sink;
    write_safetensors(sink, tensors, metadata, [this](std::size_t i) { return data[i].data(); });
    return sink.take();
  }
};

TEST(Safetensors, RoundTrip) {
  Example example;
  const std::string bytes = example.bytes();
  const SafetensorsReader reader(open_memory(bytes.data(), bytes.size()));
  EXPECT_TRUE(reader.verifies());
  EXPECT_EQ(reader.metadata(), example.metadata);
  ASSERT_EQ(reader.tensors().size(), example.tensors.size());
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    const TensorInfo &got = reader.tensors()[i], &want = example.tensors[i];
    EXPECT_EQ(got.name, want.name);
    EXPECT_EQ(got.dtype, want.dtype);
    EXPECT_EQ(got.shape, want.shape);
    EXPECT_EQ(got.begin % std::uint64_t(item_size(got.dtype)), 0u);
    std::string data(got.end - got.begin, '\0');
    reader.read(i, data.data());
    EXPECT_EQ(data, example.data[i]);
  }
}

TEST(Safetensors, AllDtypes) {
  std::vector<TensorInfo> tensors;
  const std::string zeros(64, '\1');
  for (int i = 0; i < dtype_count; ++i)
    if (DType(i) != DType::complex128)
      tensors.push_back({std::string(name(DType(i))), DType(i), {2, 2}, 0, 0});
  MemorySink sink;
  write_safetensors(sink, tensors, {}, [&](std::size_t) { return zeros.data(); });
  const std::string bytes = sink.take();
  const SafetensorsReader reader(open_memory(bytes.data(), bytes.size()));
  ASSERT_EQ(reader.tensors().size(), 14u);
  for (const TensorInfo& tensor : reader.tensors()) EXPECT_EQ(name(tensor.dtype), tensor.name);
}

TEST(Safetensors, EmptyFileOfNoTensors) {
  std::vector<TensorInfo> none;
  MemorySink sink;
  write_safetensors(sink, none, {}, [](std::size_t) { return nullptr; });
  const std::string bytes = sink.take();
  EXPECT_TRUE(SafetensorsReader(open_memory(bytes.data(), bytes.size())).tensors().empty());
  read_all(raw_file("{}", 0));
}

TEST(Safetensors, EveryFlippedBitIsNoticed) {
  const std::string good = Example().bytes();
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = char(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_THROW(read_all(bad), IOError) << "bit " << bit;
  }
}

TEST(Safetensors, EveryTruncationAndExtensionIsNoticed) {
  const std::string good = Example().bytes();
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_THROW(read_all(good.substr(0, size)), IOError) << size;
  EXPECT_THROW(read_all(good + '\0'), IOError);
}

TEST(Safetensors, DamageIsNamed) {
  std::string bad = Example().bytes();
  const std::size_t at = bad.find("0123456789");
  bad[at + 3] ^= 4;
  const std::string message = message_of<IOError>([&] { read_all(bad); });
  EXPECT_NE(message.find(concat("buffer: tensor 'layer.weight' (bytes ", at, " to ", at + 24,
                                " of the file) has CRC-32C ")),
            std::string::npos)
      << message;
  read_all(bad, false);
}

TEST(Safetensors, NoMutationCrashes) {
  const std::string good = Example().bytes();
  const std::string plain = raw_file(one_tensor("\"F32\"", "[2, 3]", "[0, 24]"), 24);
  testing::Mutator mutate(7);
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string bytes = mutate(i % 2 ? good : plain);
    try {
      read_all(bytes, i % 4 != 1);
      ++accepted;
    } catch (const IOError&) {
    }
  }
  EXPECT_LT(accepted, 10000);  // data bytes of files without checksums may change unnoticed
}

TEST(Safetensors, RefusesWithReason) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "buffer has 0 bytes; a safetensors file begins with a length of 8 bytes"},
      {std::string("\0\0\0\0\0\0\0\x80", 8),
       "buffer is no safetensors file: its header length is 9223372036854775808 bytes, at most 100000000 are "
       "allowed"},
      {std::string("\x10\0\0\0\0\0\0\0{}", 10),
       "buffer is truncated: its header has 16 bytes, but only 2 follow"},
      {raw_file("[]", 0), "buffer is no safetensors file: its header is not a JSON object"},
      {raw_file("{\"x\":", 0), "buffer: the header is not valid JSON at its byte 6"},
      {raw_file("{} {}", 0), "buffer: the header is not valid JSON at its byte 4"},
      {raw_file("{\"\xff\":{}}", 0), "buffer: the header is not valid JSON at its byte 3"},
      {raw_file("{\"x\":1}", 0), "buffer: the header's entry 'x' is a number, not an object"},
      {raw_file("{\"x\":{}}", 0), "buffer: tensor 'x' lacks its dtype"},
      {raw_file("{\"x\":{\"a\":{}}}", 0), "buffer: tensor 'x' has an unknown field 'a'"},
      {raw_file("{\"__metadata__\":{\"a\":1}}", 0),
       "buffer: the header's entry '__metadata__' has a number in 'a'"},
      {raw_file("{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0),
       "buffer: the header's metadata has 'a' twice"},
      {raw_file("{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                "\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                1),
       "buffer: the header has 'x' twice"},
      {raw_file("{\"x\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", 1), "buffer: tensor 'x' has 'dtype' twice"},
      {raw_file(one_tensor("\"F8_E4M3\"", "[1]", "[0,1]"), 1),
       "buffer: tensor 'x' has dtype 'F8_E4M3', which Taper does not have"},
      {raw_file(one_tensor("3", "[1]", "[0,1]"), 1),
       "buffer: the header's entry 'x' has a number in 'dtype'"},
      {raw_file(one_tensor("\"U8\"", "\"1\"", "[0,1]"), 1),
       "buffer: the header's entry 'x' has a string in 'shape'"},
      {raw_file(one_tensor("\"U8\"", "[[1]]", "[0,1]"), 1),
       "buffer: the header's entry 'x' has an array in 'shape'"},
      {raw_file(one_tensor("\"U8\"", "[-1]", "[0,1]"), 1),
       "buffer: the header's entry 'x' has the number -1 in 'shape'"},
      {raw_file(one_tensor("\"U8\"", "[1.0]", "[0,1]"), 1),
       "buffer: the header's entry 'x' has a number that is not an integer in 'shape'"},
      {raw_file(one_tensor("\"U8\"", "[18446744073709551615]", "[0,1]"), 1),
       "buffer: tensor 'x' has 18446744073709551615 in 'shape', which is too large"},
      {raw_file(one_tensor("\"U8\"", "[1]", "[0,1,2]"), 1),
       "buffer: tensor 'x' has more than two data_offsets"},
      {raw_file(one_tensor("\"U8\"", "[1]", "[0]"), 1), "buffer: tensor 'x' lacks its data_offsets"},
      {raw_file(one_tensor("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0),
       "buffer: tensor 'x' of shape (4294967296, 4294967296) has more bytes than can be counted"},
      {raw_file(one_tensor("\"F32\"", "[2,3]", "[0,20]"), 20),
       "buffer: tensor 'x' of shape (2, 3) and dtype float32 needs 24 bytes but has 20"},
      {raw_file(one_tensor("\"F32\"", "[2]", "[8,0]"), 8),
       "buffer: tensor 'x' ends (0) before it begins (8)"},
      {raw_file(one_tensor("\"F32\"", "[2]", "[0,8]"), 7),
       "buffer: tensor 'x' ends at data byte 8 but the file has only 7: it is truncated"},
      {raw_file(one_tensor("\"F32\"", "[2]", "[0,8]"), 9), "buffer has 1 bytes after its last tensor"},
      {raw_file(one_tensor("\"F32\"", "[2]", "[4,12]"), 12),
       "buffer: tensor 'x' begins at data byte 4, expected 0: no tensor owns the bytes between"},
      {raw_file("{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                "\"y\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
                6),
       "buffer: tensor 'y' overlaps the tensor before it: begins at data byte 2, expected 4"},
  };
  for (const auto& [bytes, message] : cases)
    EXPECT_EQ(message_of<IOError>([&, &bytes = bytes] { read_all(bytes); }), message);
}

TEST(Safetensors, RefusesDeepNesting) {
  const std::string deep(1000000, '[');
  EXPECT_THROW(read_all(raw_file("{\"x\":" + deep, 0)), IOError);
  EXPECT_THROW(read_all(raw_file("{\"x\":{\"shape\":" + deep, 0)), IOError);
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"x\":";
  EXPECT_THROW(read_all(raw_file(objects, 0)), IOError);
}

TEST(Safetensors, ForeignChecksumsAreExplained) {
  const std::string file = raw_file("{\"__metadata__\":{\"taper.crc32c\":\"00000000\"}}", 0);
  const std::string message = message_of<IOError>([&] { read_all(file); });
  EXPECT_NE(message.find("verify=False reads it anyway"), std::string::npos) << message;
  read_all(file, false);
}

TEST(Safetensors, BoolsAreMadeZeroOrOne) {
  const std::string file = raw_file(one_tensor("\"BOOL\"", "[2]", "[0,2]"), 0) + std::string("\x7f\0", 2);
  const SafetensorsReader reader(open_memory(file.data(), file.size()));
  char data[2];
  reader.read(0, data);
  EXPECT_EQ(data[0], 1);
  EXPECT_EQ(data[1], 0);
}

TEST(Safetensors, WriterRefusesWhatCannotBeRead) {
  const auto write = [](std::vector<TensorInfo> tensors, Metadata metadata = {}) {
    MemorySink sink;
    const std::string data(64, '\0');
    write_safetensors(sink, tensors, metadata, [&](std::size_t) { return data.data(); });
  };
  const TensorInfo x{"x", DType::uint8, {1}, 0, 0};
  EXPECT_EQ(message_of<ValueError>([&] { write({x, x}); }), "safetensors: two tensors are named 'x'");
  EXPECT_EQ(message_of<ValueError>([&] {
              write({{"__metadata__", DType::uint8, {1}, 0, 0}});
            }),
            "safetensors: the name '__metadata__' is reserved by the format");
  EXPECT_EQ(message_of<ValueError>([&] {
              write({{"\xff", DType::uint8, {1}, 0, 0}});
            }),
            "safetensors: a tensor name is not UTF-8 text");
  EXPECT_EQ(message_of<ValueError>([&] {
              write({x}, {{"k", "\xc0"}});
            }),
            "safetensors: a metadata value is not UTF-8 text");
  EXPECT_THROW(write({{"z", DType::complex128, {1}, 0, 0}}), DTypeError);
}

}  // namespace
}  // namespace taper::io
