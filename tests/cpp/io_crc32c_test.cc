// CRC-32C against published values, and its two implementations against each other.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "io/crc32c.h"

using taper::io::crc32c;
using taper::io::crc32c_portable;

TEST(Crc32c, MatchesRfc3720) {
  std::string ascending(32, '\0');
  for (int i = 0; i < 32; ++i) ascending[std::size_t(i)] = char(i);
  EXPECT_EQ(crc32c(std::string(32, '\0').data(), 32), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff').data(), 32), 0x62a8ab43u);
  EXPECT_EQ(crc32c(ascending.data(), 32), 0x46dd794eu);
  EXPECT_EQ(crc32c("123456789", 9), 0xe3069283u);
  EXPECT_EQ(crc32c(nullptr, 0), 0u);
}

TEST(Crc32c, BothImplementationsAgreeAtEverySizeAndOffset) {
  std::mt19937 random(1);
  std::vector<unsigned char> data(40000);
  for (auto& byte : data) byte = static_cast<unsigned char>(random());
  for (std::size_t size : {0, 1, 7, 8, 9, 63, 4096, 12287, 12288, 12289, 24576, 39990})
    for (std::size_t offset : {0, 1, 3, 7})
      EXPECT_EQ(crc32c(data.data() + offset, size), crc32c_portable(data.data() + offset, size)) << size;
}

TEST(Crc32c, ContinuesWhereItStopped) {
  std::string text(50000, 'x');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = char(i * 31 % 251);
  for (std::size_t cut : {1, 8, 12345, 49999})
    EXPECT_EQ(crc32c(text.data() + cut, text.size() - cut, crc32c(text.data(), cut)),
              crc32c(text.data(), text.size()));
}
