// SPDX-License-Identifier: Apache-2.0
#include "base/printable.h"

#include <gtest/gtest.h>
#include <iconv.h>

#include <random>

namespace flannel::printable_test {
namespace {

TEST(PrintableTest, WhatATerminalObeysOrDoesNotShowIsEscaped) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"10.5.1.0-24", "10.5.1.0-24"},
      {"Grüße, 日本, 🐧", "Grüße, 日本, 🐧"},
      {"a\nb\tc\x1b[2J\x7f", "a\\nb\\x09c\\x1b[2J\\x7f"},
      {std::string("\0", 1), "\\x00"},
      {"\xc2\x9b"
       "2J",
       "\\x9b2J"},
      {"\x9b"
       "2J",
       "\\x9b2J"},
      {"\xff\xfe", "\\xff\\xfe"},
      {"\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf"},
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
      {"\xe2\x82", "\\xe2\\x82"},
      {"\u202e"
       "abc\u2069\u200e",
       "\\u202eabc\\u2069\\u200e"},
      {"a\u200b\u2028\ufeff\U000e0041", "a\\u200b\\u2028\\ufeff\\ue0041"},
  };
  for (const auto& [text, shown] : cases)
    EXPECT_EQ(printable(text), shown);
  EXPECT_EQ(word_or_quoted("\u202e"), "\"\\u202e\"");
  EXPECT_EQ(word_or_quoted("日本"), "日本");
}

// The C library is the judge.
bool is_utf8(std::string text) {
  const iconv_t decoder = ::iconv_open("UTF-32LE", "UTF-8");
  std::string decoded(4 * text.size(), '\0');
  char* from = text.data();
  char* to = decoded.data();
  std::size_t left = text.size();
  std::size_t room = decoded.size();
  const bool whole = ::iconv(decoder, &from, &left, &to, &room) == 0;
  ::iconv_close(decoder);
  return whole;
}

TEST(PrintableTest, AnyBytesBecomeOneLineOfUtf8) {
  std::mt19937 engine{5};
  const std::string_view bytes(
      "\x00\n\x1b a\"\\\x7f\x80\x9b\xbf\xc2\xe2\x80\xae\xed\xa0\xf0\x9f\xf4\xff", 22);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (std::size_t length = engine() % 12; text.size() < length;)
      text += bytes[engine() % bytes.size()];
    for (const std::string& shown :
         {printable(text), in_quotes(text), printable(shortened(text, 5))}) {
      ASSERT_TRUE(is_utf8(shown)) << shown;
      ASSERT_EQ(printable(shown), shown) << "nothing is left to be escaped";
    }
  }
}

TEST(PrintableTest, ALongTextIsCutBetweenCharacters) {
  EXPECT_EQ(shortened(std::string(80, 'x')), std::string(80, 'x'));
  EXPECT_EQ(shortened(std::string(81, 'x')), std::string(80, 'x') + "...");
  EXPECT_EQ(shortened("aü", 2), "a...");
  EXPECT_EQ(shortened(std::string(100, '\x80'), 10), std::string(7, '\x80') + "...")
      << "bytes that are no text are no reason to go back to the beginning";
}

}  // namespace
}  // namespace flannel::printable_test
