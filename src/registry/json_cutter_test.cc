// SPDX-License-Identifier: Apache-2.0
#include "registry/json_cutter.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace flannel::json_cutter_test {
namespace {

// In pieces, as a connection brings them.
std::string cut(const std::string& json, std::size_t piece = 7) {
  JsonCutter cutter;
  std::string kept;
  for (std::size_t at = 0; at < json.size(); at += piece)
    cutter.add(std::string_view(json).substr(at, piece), kept);
  return kept;
}

TEST(JsonCutterTest, WhatIsShortStaysAsItIs) {
  for (const char* json :
       {R"({"a":"b","c":[1,2,{"d":"\\\"\u0022e\\"}]})", R"("")", R"({"unfinished":"te)", ""}) {
    EXPECT_EQ(cut(json), json);
    EXPECT_EQ(cut(json, 1), json);
  }
}

TEST(JsonCutterTest, ALongTextLosesItsEndAndNothingElseDoes) {
  const std::size_t more = JsonCutter::kLongestText + 1000;
  for (const std::string unit : {"x", "\\\"", "\\u003c", "\\\\", "\xc3\xa9", "\xf0\x9f\x98\x80"}) {
    std::string text;
    while (text.size() < more)
      text += unit;
    // Each place of the cut within a character.
    for (const char* before : {"", "x", "xx", "xxx", "xxxx", "xxxxx"}) {
      const std::string kept = cut(R"({"a":")" + (before + text) + R"(","b":"c"})");
      EXPECT_LT(kept.size(), JsonCutter::kLongestText + 100) << unit;
      const auto json = nlohmann::json::parse(kept, nullptr, false);
      ASSERT_TRUE(json.is_object()) << unit << " after " << before;
      EXPECT_EQ(json["b"], "c");
    }
  }
}

}  // namespace
}  // namespace flannel::json_cutter_test
