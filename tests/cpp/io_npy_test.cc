// .npy files and zip archives: known bytes, round trips, damage.
#include <gtest/gtest.h>

#include <cstring>

#include "io/npy.h"
#include "io/text.h"
#include "io/zip.h"
#include "io_mutations.h"
#include "io_temporary.h"
#include "taper/error.h"

namespace taper::io {
namespace {

using testing::message_of;

// A file as NumPy writes it, from the text of its header and its data.
std::string npy_file(const std::string& dict, const std::string& data, int version = 1) {
  std::string file = "\x93NUMPY";
  file += char(version);
  file += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) file += char((dict.size() >> (8 * i)) & 0xff);
  return file + dict + data;
}

std::string header_of(const std::string& descr, const std::string& shape, const char* fortran = "False") {
  return "{'descr': " + descr + ", 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
}

NpyHeader parse(const std::string& bytes, std::string* data = nullptr) {
  const auto source = open_memory(bytes.data(), bytes.size());
  SourceStream stream(*source);
  const NpyHeader header = read_npy_header(stream);
  std::string numbers(header.bytes, '\0');
  read_npy_data(stream, header, numbers.data());
  if (data) *data = numbers;
  return header;
}

TEST(Npy, WritesWhatNumPyWrites) {
  EXPECT_EQ(npy_header(DType::float32, {2, 3}),
            std::string("\x93NUMPY\1\0v\0", 10) +
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }" + std::string(58, ' ') + "\n");
  EXPECT_EQ(npy_header(DType::boolean, {}).substr(10, 58),
            "{'descr': '|b1', 'fortran_order': False, 'shape': (), }   ");
  EXPECT_THROW(npy_header(DType::bfloat16, {1}), DTypeError);
}

TEST(Npy, RoundTripsAllDtypes) {
  for (int i = 0; i < dtype_count; ++i) {
    const DType dtype = DType(i);
    if (dtype == DType::bfloat16) continue;
    const std::string data(std::size_t(item_size(dtype)) * 4, '\1');
    std::string read;
    const NpyHeader header = parse(npy_header(dtype, {4, 1}) + data, &read);
    EXPECT_EQ(header.dtype, dtype);
    EXPECT_EQ(header.shape, Shape({4, 1}));
    EXPECT_EQ(read, data);
  }
}

TEST(Npy, ReadsOtherSpellings) {
  std::string data;
  NpyHeader header =
      parse(npy_file("{'shape': (2L,), \"fortran_order\": True, 'descr': '>i2'}", {1, 2, 3, 4}, 2), &data);
  EXPECT_TRUE(header.fortran_order);
  EXPECT_EQ(header.shape, Shape({2}));
  EXPECT_EQ(data, std::string({2, 1, 4, 3}));
  header = parse(npy_file(header_of("'>c8'", "()"), {1, 2, 3, 4, 5, 6, 7, 8}, 3), &data);
  EXPECT_EQ(header.dtype, DType::complex64);
  EXPECT_EQ(data, std::string({4, 3, 2, 1, 8, 7, 6, 5}));
}

TEST(Npy, RefusesWithReason) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "buffer has 0 bytes and is no .npy file"},
      {"not a numpy file", "buffer is no .npy file: it does not begin with \\x93NUMPY"},
      {npy_file("{}", "", 9), "buffer: version 9.0 of the .npy format is unknown; 1.0 to 3.0 can be read"},
      {npy_file(header_of("'<f4'", "(2,)"), "1234567"),
       "buffer is truncated: (2,) of float32 needs 8 bytes but 7 follow the header"},
      {npy_file(header_of("'<f4'", "(2,)"), "123456789"), "buffer has 1 bytes after its array"},
      {npy_file(header_of("'|O'", "(2,)"), ""),
       "buffer: holds elements of NumPy dtype '|O', pickled Python objects, which are never loaded"},
      {npy_file(header_of("'<U3'", "(2,)"), ""),
       "buffer: holds elements of NumPy dtype '<U3', which Taper does not have"},
      {npy_file(header_of("[('a', '<f4')]", "(2,)"), ""),
       "buffer: holds records (a structured dtype); save its fields as separate arrays"},
      {npy_file(header_of("'<f4'", "(4294967296, 4294967296)"), ""),
       "buffer: an array of shape (4294967296, 4294967296) has more bytes than can be counted"},
      {npy_file(header_of("'<f4'", "(99999999999999999999,)"), ""),
       "buffer: the .npy header has a size that is too large (at its byte 69)"},
      {npy_file(header_of("'<f4'", "(-1,)"), ""),
       "buffer: the .npy header has a shape that is not a tuple of sizes (at its byte 51)"},
      {npy_file("{'descr': '<f4'}", ""),
       "buffer: the .npy header lacks 'descr', 'fortran_order' or 'shape' (at its byte 16)"},
  };
  for (const auto& [bytes, message] : cases)
    EXPECT_EQ(message_of<IOError>([&, &bytes = bytes] { parse(bytes); }), message);
}

TEST(Npy, NoMutationCrashes) {
  const std::string good = npy_header(DType::int16, {2, 3}) + "123456789abc";
  testing::Mutator mutate(3);
  for (int i = 0; i < 20000; ++i) {
    const std::string bytes = mutate(good);
    try {
      parse(bytes);
    } catch (const IOError&) {
    }
  }
}

std::string zip_of(const std::vector<std::pair<std::string, std::string>>& members, bool compress) {
  MemorySink sink;
  ZipWriter writer(sink);
  for (const auto& [name, content] : members)
    writer.add(name, compress, [&, &content = content](const ZipWriter::Emit& emit) {
      emit(content.data(), content.size() / 2);
      emit(content.data() + content.size() / 2, content.size() - content.size() / 2);
    });
  writer.finish();
  return sink.take();
}

std::vector<std::pair<std::string, std::string>> unzip(const std::string& bytes) {
  const ZipReader reader(open_memory(bytes.data(), bytes.size()));
  std::vector<std::pair<std::string, std::string>> members;
  for (const ZipReader::Member& member : reader.members()) {
    const auto stream = reader.open(member);
    std::string content(stream->size(), '\0');
    stream->read(content.data(), content.size());
    stream->finish();
    members.emplace_back(member.name, content);
  }
  return members;
}

const std::vector<std::pair<std::string, std::string>> members = {
    {"a.npy", "some bytes, some bytes, some bytes"},
    {"empty", ""},
    {"d/\xc3\xa9.npy", std::string(100000, 'q')}};

TEST(Zip, RoundTrips) {
  for (const bool compress : {false, true}) {
    const std::string bytes = zip_of(members, compress);
    EXPECT_EQ(unzip(bytes), members);
    EXPECT_EQ(bytes.size() < 1000, compress);
  }
  EXPECT_TRUE(unzip(zip_of({}, false)).empty());
}

TEST(Zip, ManyMembersNeedZip64) {
  std::vector<std::pair<std::string, std::string>> many;
  for (int i = 0; i < 66000; ++i) many.emplace_back(std::to_string(i), "");
  EXPECT_EQ(unzip(zip_of(many, false)).size(), many.size());
}

TEST(Zip, EveryTruncationAndEveryFlippedContentBitIsNoticed) {
  for (const bool compress : {false, true}) {
    const std::string good = zip_of({{"a", "some bytes, some bytes"}, {"b", "other"}}, compress);
    for (std::size_t size = 0; size < good.size(); ++size)
      EXPECT_THROW(unzip(good.substr(0, size)), IOError) << size;
    for (const char* name : {"a", "b"}) {
      const ZipReader reader(open_memory(good.data(), good.size()));
      const auto& member = reader.members()[name[0] == 'b'];
      const std::size_t start = member.header_offset + 30 + 1 + 20;
      for (std::size_t bit = start * 8; bit < (start + member.compressed) * 8; ++bit) {
        std::string bad = good;
        bad[bit / 8] = char(bad[bit / 8] ^ (1 << bit % 8));
        try {  // a flip in deflated padding bits changes nothing
          EXPECT_EQ(unzip(bad), unzip(good));
        } catch (const IOError&) {
        }
      }
    }
  }
}

TEST(Zip, NoMutationCrashes) {
  const std::string stored = zip_of({{"a.npy", "some bytes, some bytes"}, {"b", "other"}}, false);
  const std::string deflated = zip_of({{"a.npy", "some bytes, some bytes"}, {"b", "other"}}, true);
  testing::Mutator mutate(5);
  for (int i = 0; i < 20000; ++i) {
    const std::string bytes = mutate(i % 2 ? stored : deflated);
    try {
      unzip(bytes);
    } catch (const IOError&) {
    }
  }
}

TEST(Zip, AFalseSizeIsNotAllocated) {
  std::string bytes = zip_of({{"a", "some bytes"}}, true);
  const std::size_t entry = bytes.find("PK\1\2");
  const std::uint32_t huge = 0xfffffff0;
  std::memcpy(bytes.data() + entry + 24, &huge, 4);
  const std::string message = message_of<IOError>([&] { unzip(bytes); });
  EXPECT_NE(message.find("claims 4294967280 bytes, more than its"), std::string::npos) << message;
}

TEST(Utf8, WellFormedOnly) {
  for (const char* good :
       {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xe2\x82"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
}

}  // namespace
}  // namespace taper::io
