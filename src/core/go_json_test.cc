// SPDX-License-Identifier: Apache-2.0
#include "core/go_json.h"

#include <gtest/gtest.h>

#include "net/address.h"

namespace flannel::go_json_test {
namespace {

JsonObject object(std::string_view text) {
  auto parsed = JsonObject::parse(text, "the test");
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().text);
  return *std::move(parsed);
}

std::string error_of(std::string_view text) {
  const auto parsed = JsonObject::parse(text, "the test");
  return parsed ? "no error" : parsed.error().text;
}

template <typename T>
std::string error_of(const Result<T>& result) {
  return result ? "no error" : result.error().text;
}

TEST(GoJsonTest, MemberNamesMatchInAnyCase) {
  JsonObject json = object(R"({"vni": 7, "DIRECTROUTING": true, "psk": "x"})");
  EXPECT_EQ(json.integer("VNI").value(), 7);
  EXPECT_EQ(json.boolean("DirectRouting").value(), true);
  EXPECT_EQ(json.string("PSK").value(), "x");
  EXPECT_TRUE(json.unknown_keys().empty());
}

TEST(GoJsonTest, LastOfSeveralMembersWinsWhateverTheirCase) {
  EXPECT_EQ(object(R"({"A":1,"a":2,"A":3})").integer("a").value(), 3);
  EXPECT_EQ(object(R"({"A":3,"a":2})").integer("A").value(), 2);
  EXPECT_EQ(object(R"({"A":3,"a":null})").integer("A").value(), 3) << "null leaves what there is";
  EXPECT_EQ(error_of(object(R"({"A":"3","a":2})").integer("A")),
            R"(A "3" in the test: must be a whole number, without quotes)");
}

TEST(GoJsonTest, AbsentAndNullLeaveTheDefault) {
  JsonObject json = object(R"({"n":null})");
  EXPECT_EQ(json.integer("n").value(), std::nullopt);
  EXPECT_EQ(json.boolean("n").value(), std::nullopt);
  EXPECT_EQ(json.string("n").value(), std::nullopt);
  EXPECT_EQ(json.string("other").value(), std::nullopt);
  EXPECT_TRUE(json.is_null("N"));
  EXPECT_FALSE(json.is_null("other"));
  EXPECT_EQ(json.json("n"), "null");
  EXPECT_EQ(json.json("other"), std::nullopt);
}

TEST(GoJsonTest, TypesAreStrict) {
  for (const char* not_a_number : {"\"24\"", "24.5", "2e1", "24.0", "true", "[]", "{}",
                                   "9223372036854775808", "99999999999999999999999"}) {
    const std::string text = std::string("{\"k\":") + not_a_number + "}";
    EXPECT_FALSE(object(text).integer("k")) << text;
  }
  for (const char* not_text : {"24", "false", "[\"a\"]", "{}"}) {
    const std::string text = std::string("{\"k\":") + not_text + "}";
    EXPECT_FALSE(object(text).string("k")) << text;
  }
  for (const char* not_a_truth : {"0", "\"true\"", "[]"}) {
    const std::string text = std::string("{\"k\":") + not_a_truth + "}";
    EXPECT_FALSE(object(text).boolean("k")) << text;
  }
}

TEST(GoJsonTest, IntegersHaveARange) {
  EXPECT_EQ(object(R"({"k":-5})").integer("k", -5, 5).value(), -5);
  EXPECT_EQ(error_of(object(R"({"k":70000})").integer("k", 1, 65535)),
            "k 70000 in the test: must be from 1 to 65535");
  EXPECT_EQ(object(R"({"k":9223372036854775807})").integer("k").value(),
            std::numeric_limits<std::int64_t>::max());
}

TEST(GoJsonTest, ParsesValueTypesFromStringsAndRefusesNullForThem) {
  EXPECT_EQ(object(R"({"ip":"10.5.0.1"})").parsed<IpAddress>("IP").value(),
            IpAddress::v4(10, 5, 0, 1));
  EXPECT_EQ(object("{}").parsed<IpAddress>("IP").value(), std::nullopt);
  EXPECT_EQ(error_of(object(R"({"ip":"10.5.0.01"})").parsed<IpAddress>("IP")),
            R"(IP "10.5.0.01" in the test: "10.5.0.01" is not an IPv4 address)");
  EXPECT_EQ(error_of(object(R"({"ip":null})").parsed<IpAddress>("IP")),
            "IP null in the test: must not be null");
  EXPECT_EQ(error_of(object(R"({"ip":7})").parsed<IpAddress>("IP")),
            "IP 7 in the test: must be a string, in double quotes");
}

TEST(GoJsonTest, NestedValuesAreKeptAsCompactTextInTheirOrder) {
  JsonObject json = object(
      "{ \"b\" : { \"z\" : [ 1 , 2.50 , -3e2 , { } , [ ] ] ,\n \"a\" : \"x y\" , \"z\" : null } ,"
      "  \"after\" : [ true , false , { \"k\" : \"<&>\" } ] }");
  EXPECT_EQ(json.json("b"), R"({"z":[1,2.50,-3e2,{},[]],"a":"x y","z":null})");
  EXPECT_EQ(json.json("after"), R"([true,false,{"k":"<&>"}])");
}

TEST(GoJsonTest, StringsAreUnescapedAndQuotedAgain) {
  JsonObject json = object(R"({"k":"\u003ca\u003e\n\"\\\/\u0001 é \u00e9"})");
  EXPECT_EQ(json.json("k"), R"("<a>\n\"\\/\u0001 é é")");
  EXPECT_EQ(json.string("k").value(), "<a>\n\"\\/\x01 é é");
  EXPECT_EQ(json_quote("a\tb\r\x1f\x7f"), "\"a\\tb\\r\\u001f\x7f\"");
}

TEST(GoJsonTest, NamesMembersThatNoGetterHasRead) {
  JsonObject json = object(R"({"VNI":1,"Prot":8472,"x":{"y":1}})");
  (void)json.integer("VNI");
  EXPECT_EQ(json.unknown_keys(), (std::vector<std::string>{"Prot", "x"}));
}

TEST(GoJsonTest, SuggestsTheKeyThatWasMeant) {
  JsonObject json = object(R"({"VNI":1,"vnl":2," DirectRoutin":true,"a":1,"A":2})");
  (void)json.integer("VNI");
  (void)json.boolean("DirectRouting");
  EXPECT_EQ(json.meant_by("vnl"), "VNI");
  EXPECT_EQ(json.meant_by(" DirectRoutin"), "DirectRouting");
  EXPECT_EQ(json.meant_by("Port"), std::nullopt) << "nobody asked for it";
  EXPECT_EQ(json.meant_by(std::string(100000, 'v')), std::nullopt);
  EXPECT_TRUE(json.is_repeated("a"));
  EXPECT_FALSE(json.is_repeated("VNI"));
}

TEST(GoJsonTest, HintsAtMissingOrSurplusQuotes) {
  EXPECT_EQ(error_of(object(R"({"k":"24"})").integer("k")),
            R"(k "24" in the test: must be a whole number, without quotes)");
  EXPECT_EQ(error_of(object(R"({"k":"many"})").integer("k")),
            R"(k "many" in the test: must be a whole number)");
  EXPECT_EQ(error_of(object(R"({"k":"True"})").boolean("k")),
            R"(k "True" in the test: must be true or false, without quotes)");
  EXPECT_EQ(error_of(object(R"({"k":1})").boolean("k")), "k 1 in the test: must be true or false");
  EXPECT_EQ(error_of(object(R"({"k":true})").string("k")),
            "k true in the test: must be a string, in double quotes");
  EXPECT_EQ(error_of(object(R"({"k":{}})").string("k")), "k {} in the test: must be a string");
}

TEST(GoJsonTest, OnlyOneWholeObjectIsTaken) {
  EXPECT_EQ(error_of(" \n{} \t\r\n"), "no error");
  for (const char* bad : {"", " ", "{", "{}x", "{}{}", "{} // comment", "{\"a\":1,}", "{a:1}",
                          "{\"a\":01}", "{\"a\":NaN}", "{\"a\":+1}", "{'a':1}", "{\"a\":\"\t\"}"}) {
    EXPECT_NE(error_of(bad), "no error") << bad;
  }
  for (const char* other : {"[]", "null", "7", "true"}) {
    EXPECT_EQ(error_of(other), "the test: must be a JSON object, like {\"name\": value}") << other;
  }
  EXPECT_NE(error_of("{\"a\":\"\xff\"}"), "no error") << "not UTF-8";
}

TEST(GoJsonTest, HostileTextsCostNeitherStackNorMuchMemory) {
  const std::string deep(kMaxJsonText - 100, '[');
  EXPECT_EQ(error_of("{\"a\":" + deep), "the test: nested deeper than 64");
  std::string objects;
  for (int i = 0; i < 100000; ++i)
    objects += "{\"a\":";
  EXPECT_EQ(error_of(objects), "the test: nested deeper than 64");
  EXPECT_EQ(error_of(std::string(kMaxJsonText + 1, ' ')),
            "the test: 1048577 bytes, more than 1048576");
  const std::string just_in = "{\"a\":" + std::string(63, '[') + std::string(63, ']') + "}";
  EXPECT_EQ(object(just_in).json("a")->size(), 126U);
  const std::string too_deep = "{\"a\":" + std::string(64, '[') + std::string(64, ']') + "}";
  EXPECT_EQ(error_of(too_deep), "the test: nested deeper than 64");
}

TEST(GoJsonTest, ErrorsShowOnlyTheBeginningOfLongValues) {
  const std::string text = "{\"k\":\"" + std::string(5000, 'x') + "\"}";
  EXPECT_EQ(error_of(object(text).integer("k")),
            "k \"" + std::string(79, 'x') + "... in the test: must be a whole number");
}

}  // namespace
}  // namespace flannel::go_json_test
