// SPDX-License-Identifier: Apache-2.0
// The messages for common mistakes.
#include "core/json_mistake.h"

#include <gtest/gtest.h>

#include <random>

#include "core/go_json.h"

namespace flannel::json_mistake_test {
namespace {

std::string mistake(std::string_view text) {
  const auto parsed = JsonObject::parse(text, "test");
  return parsed ? "no mistake" : parsed.error().text;
}

TEST(JsonMistakeTest, NamesThePlaceTheCharacterAndWhatBelongsThere) {
  EXPECT_EQ(mistake("{\n  \"a\": 1\n  \"b\": 2\n}"),
            "test: not JSON: line 3, column 3: a double quote (\") where ',' or '}' belongs, near "
            "\"b\": 2; is a comma missing before it?");
  EXPECT_EQ(mistake(R"({"é": ü})"),
            "test: not JSON: line 1, column 7: 'ü' (U+00FC) where a value belongs, near {\"é\": ü}")
      << "columns are characters";
}

TEST(JsonMistakeTest, ShowsNothingOfATextWithASecret) {
  EXPECT_EQ(mistake(R"({"PSK": "c2VjcmV0" "Type": "wireguard"})"),
            "test: not JSON: line 1, column 20: a double quote (\") where ',' or '}' belongs; is a "
            "comma missing before it?");
}

TEST(JsonMistakeTest, TypographicQuotes) {
  EXPECT_EQ(mistake("{\u201cNetwork\u201d: \u201c10.5.0.0/16\u201d}"),
            "test: not JSON: line 1, column 2: a typographic quote (U+201C) where a key in double "
            "quotes belongs, near {\u201cNetwork\u201d: \u201c10.5.0.0/16...; JSON takes the "
            "straight \" only");
  EXPECT_EQ(mistake("{\"Network\": \u201c10.5.0.0/16\"}"),
            "test: not JSON: line 1, column 13: a typographic quote (U+201C) where a value "
            "belongs, near {\"Network\": \u201c10.5.0.0/16\"}; JSON takes the straight \" only");
}

TEST(JsonMistakeTest, QuotesOfTheShell) {
  EXPECT_EQ(mistake(R"({\"Network\":\"10.5.0.0/16\"})"),
            R"(test: not JSON: line 1, column 2: a backslash (\) where a key in double quotes )"
            R"(belongs, near {\"Network\":\"10.5.0.0/16\"}; backslashes in front of quotes are )"
            "for the shell, here they must go");
  EXPECT_EQ(mistake(R"('{"Network":"10.5.0.0/16"}')"),
            "test: not JSON: line 1, column 1: a single quote (') where an object has to begin, "
            R"(like {"name": value}, near '{"Network":"10.5.0.0/16"}'; the quotes around the text )"
            "are for the shell alone");
  EXPECT_EQ(mistake(R"("{\"Network\":\"10.5.0.0/16\"}")"),
            "test: must be a JSON object, like {\"name\": value}; the quotes around it must go");
  EXPECT_EQ(mistake(R"({'Network':'10.5.0.0/16'})"),
            "test: not JSON: line 1, column 2: a single quote (') where a key in double quotes "
            "belongs, near {'Network':'10.5.0.0/16'}; JSON takes double quotes only");
}

struct Case {
  const char* text;
  const char* place;
  const char* words;  // at the end of the message
};

TEST(JsonMistakeTest, EachCommonMistakeHasItsHint) {
  const Case cases[] = {
      {"{\"a\":1,}", "line 1, column 8: '}' where a key", "; the comma before it is one too many"},
      {"{\"a\":[1,]}", "line 1, column 9: ']' where a value", "one too many"},
      {"{\"a\":1} // x", "line 1, column 9: '/' after the end", "; JSON has no comments"},
      {"{ # x\n\"a\":1}", "line 1, column 3: '#' where a key", "; JSON has no comments"},
      {"{\"a\":1 /* x */}", "column 8: '/' where ',' or '}'", "; JSON has no comments"},
      {"{\"a\":}", "line 1, column 6: '}' where a value", "; the value is missing"},
      {"{\"a\":,\"b\":1}", "line 1, column 6: ',' where a value", "; the value is missing"},
      {"{a:1}", "line 1, column 2: 'a' where a key", "; keys stand in double quotes"},
      {"{\"a\":vxlan}", "line 1, column 6: 'v' where a value", "stands in double quotes"},
      {"{\"a\":True}", "line 1, column 6: 'T' where a value", "are written in small letters"},
      {"{\"a\":tru}", "line 1, column 6: 't' where a value", "stands in double quotes"},
      {"{\"a\":10.5.0.0/16}", "line 1, column 10: '.' where ','", "stands in double quotes"},
      {"{\"a\":01}", "line 1, column 7: '1' where ','", "; a number has no zeros in front"},
      {"{\"a\" 1}", "line 1, column 6: '1' where ':' belongs", ""},
      {"{\"a\"=1}", "line 1, column 5: '=' where ':' belongs",
       "; JSON has ':' between key and value"},
      {"{\"a\":1;\"b\":2}", "column 7: ';' where ',' or '}'", "; JSON has ',' between members"},
      {"{\"a\":[1 2]}", "column 9: '2' where ',' or ']'", "; is a comma missing before it?"},
      {"{\"a\":1", "line 1, column 7: nothing, it is the end", "; is a brace missing there?"},
      {"{\"a\":", "line 1, column 6: nothing, it is the end where a value", "brace missing there?"},
      {"{\"a", "line 1, column 4: nothing, it is the end in a text",
       "that ends the text is missing"},
      {"{\"a\":\"x\n}", "line 1, column 8: a line break in a text",
       "that ends the text is missing"},
      {"{\"a\":\"C:\\dir\"}", "column 10: 'd' in a text", "comes one of \" \\ / b f n r t u"},
      {"{\"a\":\"\xff\"}", "column 7: the byte 0xff, which is no UTF-8 in",
       "; save the text as UTF-8"},
      {"{\"a\":\u00a0"
       "1}",
       "column 6: a no-break space (U+00A0)", "plain blank in its place, or nothing"},
      {"{\"a\":\u22121}", "column 6: a minus sign (U+2212)", "; a minus is the plain -"},
      {"{\"a\":1.}", "column 8: '}' where a value", ""},
      {"{\"a\":-}", "column 7: '}' where a value", ""},
      {"{}{}", "line 1, column 3: '{' after the end of the object", ""},
      {"Network: 10.5.0.0/16", "line 1, column 1: 'N' where an object has to begin", "10.5.0.0/16"},
  };
  for (const Case& it : cases) {
    const std::string said = mistake(it.text);
    EXPECT_NE(said.find(it.place), std::string::npos) << it.text << "\n" << said;
    EXPECT_TRUE(said.ends_with(it.words)) << it.text << "\n" << said;
  }
}

TEST(JsonMistakeTest, NothingAtAll) {
  for (const char* empty : {"", " ", "\n\t\r\n"}) {
    EXPECT_EQ(mistake(empty),
              "test: not JSON: the text is empty, it has to be like {\"name\": value}");
  }
}

TEST(JsonMistakeTest, OtherEncodings) {
  EXPECT_EQ(mistake("\xef\xbb\xbf{}"),
            "test: not JSON: begins with a byte order mark; save the text as UTF-8 without one");
  EXPECT_EQ(mistake(std::string_view("\xff\xfe{\0}\0", 6)),
            "test: not JSON: begins with a byte order mark of UTF-16; save the text as UTF-8");
  EXPECT_EQ(mistake(std::string_view("{\0}\0", 4)),
            "test: not JSON: has a NUL byte at line 1, column 2; is it UTF-16, or no text?");
}

TEST(JsonMistakeTest, ShowsNoMoreThanTheWordsAround) {
  const std::string long_text =
      "{\"a\":\"" + std::string(50000, 'x') + "\" y" + std::string(50000, 'z') + "}";
  EXPECT_EQ(mistake(long_text),
            "test: not JSON: line 1, column 50009: 'y' where ',' or '}' belongs, near ..." +
                std::string(28, 'x') + "\" y" + std::string(29, 'z') +
                "...; is a comma missing before it?");
  EXPECT_LT(mistake("{\"a\":\"" + std::string(1000, '\x01')).size(), 400U);
  EXPECT_LT(mistake("{" + std::string(100000, '1')).size(), 300U);
}

TEST(JsonMistakeTest, NoTextIsTooStrange) {
  const std::string good =
      R"({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan", "VNI": [1, true]}})";
  const std::string strange = "{}[],:\"'\\/#=;01.-eE tfn\n\r\xe2\x80\x9c\xff\xc3\x01";
  std::mt19937 engine(4711);
  const auto below = [&](std::size_t n) { return engine() % n; };
  std::size_t mistakes = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = good.substr(0, 1 + below(good.size()));
    for (std::size_t n = below(4); n > 0; --n)
      text.insert(below(text.size() + 1), 1, strange[below(strange.size())]);
    const std::string said = mistake(text);
    ASSERT_LT(said.size(), 400U) << text;
    if (said.find("not JSON: line ") != std::string::npos) ++mistakes;
  }
  EXPECT_GT(mistakes, 15000U);
}

}  // namespace
}  // namespace flannel::json_mistake_test
