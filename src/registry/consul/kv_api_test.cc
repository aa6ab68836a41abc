// SPDX-License-Identifier: Apache-2.0
#include "registry/consul/kv_api.h"

#include <gtest/gtest.h>

#include "registry/consul/consul_client.h"

namespace flannel::kv_api_test {
namespace {

// As Consul 1.8.7 answers.
TEST(KvApiTest, AListHasKeysValuesIndexesAndSessions) {
  const auto list = decode_kv_list(
      R"([{"LockIndex":1,"Key":"net/subnets/10.5.1.0-24","Flags":0,"Value":"b25l",)"
      R"("Session":"9ec8eb5b-15d1-f4c8-a6a6-2ea5ea61ff87","CreateIndex":12,"ModifyIndex":14},)"
      R"({"LockIndex":0,"Key":"net/config","Flags":0,"Value":null,"CreateIndex":3,"ModifyIndex":3}])");
  ASSERT_TRUE(list) << list.error().text;
  EXPECT_EQ(list->at(0), (KvEntry{"net/config", "", 3, 3, ""}));
  EXPECT_EQ(list->at(1), (KvEntry{"net/subnets/10.5.1.0-24", "one", 12, 14,
                                  "9ec8eb5b-15d1-f4c8-a6a6-2ea5ea61ff87"}));
}

TEST(KvApiTest, WhatIsNoListIsAnError) {
  for (const char* text : {"", "{}", "[1]", R"([{"Key":1}])", R"([{"Key":"a","Value":"!!!!"}])",
                           "<html>", R"([{"Key":"a","ModifyIndex":-1}])",
                           R"([{"Key":"a","ModifyIndex":9223372036854775808}])"}) {
    EXPECT_EQ(decode_kv_list(text).error().kind, ErrorKind::invalid) << text;
  }
}

TEST(KvApiTest, ATextThatWasCutIsDecodedAsFarAsItGoes) {
  EXPECT_EQ(decode_kv_list(R"([{"Key":"a","Value":"b25lb2"}])")->at(0).value, "one");
}

TEST(KvApiTest, AListIsAskedForBelowThePrefixOnly) {
  EXPECT_EQ(kv_list_path("coreos.com/network"), "/v1/kv/coreos.com/network/?recurse");
  EXPECT_EQ(kv_keys_path("coreos.com/network"), "/v1/kv/coreos.com/network/?keys");
  EXPECT_EQ(decode_kv_keys(R"(["a/config","b"])"), (std::vector<std::string>{"a/config", "b"}));
  for (const char* wrong : {"", "{}", "[1]", "null"})
    EXPECT_FALSE(decode_kv_keys(wrong)) << wrong;
  EXPECT_EQ(kv_list_path("a b/c"), "/v1/kv/a%20b/c/?recurse");
  EXPECT_EQ(kv_list_path(""), "/v1/kv/?recurse");
}

TEST(KvApiTest, EachVerbHasWhatItTakes) {
  using Verb = KvOperation::Verb;
  EXPECT_EQ(encode_transaction({{Verb::cas, "k", "one", 7},
                                {Verb::lock, "k", "one", 0, "s"},
                                {Verb::check_index, "k", {}, 7},
                                {Verb::delete_cas, "k", {}, 7},
                                {Verb::get, "k"}}),
            R"([{"KV":{"Index":7,"Key":"k","Value":"b25l","Verb":"cas"}},)"
            R"({"KV":{"Key":"k","Session":"s","Value":"b25l","Verb":"lock"}},)"
            R"({"KV":{"Index":7,"Key":"k","Verb":"check-index"}},)"
            R"({"KV":{"Index":7,"Key":"k","Verb":"delete-cas"}},)"
            R"({"KV":{"Key":"k","Verb":"get"}}])");
}

TEST(KvApiTest, ATransactionIsDoneOrSaysWhyNot) {
  const auto done = decode_transaction(
      R"({"Results":[{"KV":{"LockIndex":0,"Key":"k","Flags":0,"Value":null,"CreateIndex":9,)"
      R"("ModifyIndex":9}}],"Errors":null,"Index":0})");
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_EQ(done->entries.at(0).modified, 9);
  EXPECT_TRUE(done->why_not.empty());
  const auto stale = decode_transaction(
      R"({"Results":null,"Errors":[{"OpIndex":0,"What":"failed to set key \"k\", index is stale"}]})");
  EXPECT_EQ(stale->why_not.at(0), "failed to set key \"k\", index is stale");
  EXPECT_FALSE(stale->denied);
  EXPECT_TRUE(
      decode_transaction(R"({"Errors":[{"OpIndex":0,"What":"Permission denied"}]})")->denied);
}

TEST(KvApiTest, ASessionHasNoChecksAndEndsWithItsKeys) {
  EXPECT_EQ(encode_session("flannel 10.5.1.0-24", "flannel", std::chrono::seconds(60)),
            R"({"Behavior":"delete","LockDelay":"0s","Name":"flannel 10.5.1.0-24",)"
            R"("Node":"flannel","NodeChecks":[],"TTL":"60s"})");
  EXPECT_EQ(decode_session_id(R"({"ID":"9ec8eb5b"})").value(), "9ec8eb5b");
  EXPECT_FALSE(decode_session_id(R"({})"));
  EXPECT_EQ(decode_session_ttl(R"([{"ID":"9ec8eb5b","TTL":"86400s"}])").value(),
            std::chrono::seconds(86400));
  for (const char* text : {"[]", "{}", R"([{"TTL":"1h"}])", R"([{"TTL":"-1s"}])"}) {
    EXPECT_FALSE(decode_session_ttl(text)) << text;
  }
}

TEST(KvApiTest, OfAListOfSessionsThoseWithATtlInSecondsAreTaken) {
  const std::map<std::string, std::chrono::seconds> ttls{{"9ec8", std::chrono::seconds(60)}};
  EXPECT_EQ(decode_session_ttls(R"([{"ID":"9ec8","TTL":"60s"},{"ID":"7","TTL":""},)"
                                R"({"ID":"8","TTL":"24h"},{"ID":"9"}])")
                .value(),
            ttls);
  EXPECT_TRUE(decode_session_ttls("[]").value().empty());
  for (const char* text : {"{}", "[1]", R"([{"TTL":7}])"})
    EXPECT_FALSE(decode_session_ttls(text)) << text;
}

TEST(KvApiTest, AServiceHasACheckOfItsHealthPage) {
  EXPECT_EQ(encode_service("flanneld-8081", 8081, "http://127.0.0.1:8081/readyz"),
            R"({"Check":{"HTTP":"http://127.0.0.1:8081/readyz","Interval":"10s",)"
            R"("Name":"the host is ready for packets of the overlay","Timeout":"5s"},)"
            R"("ID":"flanneld-8081","Name":"flanneld","Port":8081})");
}

TEST(ConsulAnswerTest, StatusesAreWhatTheyMean) {
  const auto kind = [](int status, const char* body = "") {
    return read_consul_answer({status, {}}, body).error().kind;
  };
  EXPECT_TRUE(read_consul_answer({404, {}}, ""));
  EXPECT_TRUE(read_consul_answer({409, {}}, "{}"));
  EXPECT_EQ(kind(403, "ACL not found"), ErrorKind::denied);
  EXPECT_EQ(kind(500, "No cluster leader"), ErrorKind::unavailable);
  EXPECT_EQ(kind(429, "Your IP is issuing too many concurrent connections"),
            ErrorKind::unavailable);
  EXPECT_EQ(kind(500, "Missing node registration"), ErrorKind::invalid);
  EXPECT_EQ(kind(413, "Request body too large"), ErrorKind::invalid);
  EXPECT_EQ(kind(301), ErrorKind::invalid);
}

TEST(ConsulAnswerTest, ASnapshotIsOfOneNetworkAlone) {
  const StoreKeys keys("net");
  const auto all = snapshot_of(
      {200, 20,
       R"([{"Key":"net/config","Value":"e30=","CreateIndex":1,"ModifyIndex":2},)"
       R"({"Key":"net/subnets/10.5.1.0-24","Value":"b25l","CreateIndex":3,"ModifyIndex":4,)"
       R"("Session":"s"},{"Key":"net/subnets/","Value":null,"CreateIndex":1,"ModifyIndex":1},)"
       R"({"Key":"net/blue/subnets/10.5.1.0-24","Value":"b25l","CreateIndex":5,"ModifyIndex":5}])"},
      keys);
  ASSERT_TRUE(all) << all.error().text;
  EXPECT_EQ(all->revision, 20);
  EXPECT_EQ(all->config, (ConfigRecord{"{}", 2}));
  ASSERT_EQ(all->records.size(), 1U);
  EXPECT_EQ(all->records[0], (Record{"10.5.1.0-24", "one", 4, "s"}));
  EXPECT_FALSE(snapshot_of({200, 0, "[]"}, keys)) << "without an index";
}

}  // namespace
}  // namespace flannel::kv_api_test
