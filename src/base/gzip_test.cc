// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.h"

#include <gtest/gtest.h>

namespace flannel::gzip_test {
namespace {

constexpr std::size_t kLimit = 1 << 24;

std::string text_of(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i)
    text += std::to_string(i * i);
  return text;
}

TEST(GzipTest, WhatIsCompressedComesBack) {
  for (const std::string& text : {std::string(), std::string("a"), text_of(3'000'000)}) {
    const std::string packed = gzipped(text).value();
    EXPECT_EQ(gunzipped(packed, kLimit).value(), text);
    EXPECT_EQ(gunzipped(packed, text.size()).value(), text);
  }
  EXPECT_LT(gzipped(text_of(1'000'000)).value().size(), 600'000U);
}

TEST(GzipTest, WhatIsTruncatedOrDamagedIsAnError) {
  const std::string packed = gzipped(text_of(2000)).value();
  for (std::size_t size = 0; size < packed.size(); ++size)
    EXPECT_FALSE(gunzipped(packed.substr(0, size), kLimit)) << size;
  // The header has bytes that mean nothing: the time and the system.
  for (std::size_t at = 10; at < packed.size(); ++at) {
    std::string other = packed;
    other[at] = static_cast<char>(other[at] ^ 1);
    EXPECT_FALSE(gunzipped(other, kLimit)) << at;
  }
  EXPECT_FALSE(gunzipped(packed + "x", kLimit));
  EXPECT_FALSE(gunzipped("plain text", kLimit));
}

TEST(GzipTest, MoreThanTheLimitIsAnError) {
  const std::string packed = gzipped(std::string(1 << 20, 'x')).value();
  EXPECT_LT(packed.size(), 3000U);
  EXPECT_FALSE(gunzipped(packed, (1 << 20) - 1));
  EXPECT_TRUE(gunzipped(packed, 1 << 20));
}

}  // namespace
}  // namespace flannel::gzip_test
