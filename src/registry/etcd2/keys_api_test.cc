// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd2/keys_api.h"

#include <gtest/gtest.h>

#include "registry/etcd2/keys_client.h"

namespace flannel::keys_api_test {
namespace {

TEST(KeysAnswerTest, AnEventOfARealEtcdIsRead) {
  const KeysAnswer event =
      decode_keys_answer(
          R"({"action":"compareAndSwap","node":{"key":"/net/subnets/10.5.1.0-24\u0026fd00::-56",)"
          R"("value":"{\"PublicIP\":\"1.2.3.4\"}","expiration":"2026-11-23T18:45:46.440360084Z",)"
          R"("ttl":86400,"modifiedIndex":5,"createdIndex":4},"prevNode":{"key":"/x","value":7}})")
          .value();
  EXPECT_EQ(event.action, "compareAndSwap");
  EXPECT_EQ(event.node.key, "/net/subnets/10.5.1.0-24&fd00::-56");
  EXPECT_EQ(event.node.value, R"({"PublicIP":"1.2.3.4"})");
  EXPECT_EQ(event.node.modified, 5);
  EXPECT_TRUE(event.node.expires);
  EXPECT_FALSE(event.node.dir);
}

TEST(KeysAnswerTest, ADirectoryHasNodes) {
  const KeysNode node =
      decode_keys_answer(R"({"action":"get","node":{"key":"/net","dir":true,"nodes":[)"
                         R"({"key":"/net/config","value":"{}","modifiedIndex":7},)"
                         R"({"key":"/net/subnets","dir":true,"modifiedIndex":4}]}})")
          .value()
          .node;
  ASSERT_EQ(node.nodes.size(), 2U);
  EXPECT_EQ(node.nodes[0].value, "{}");
  EXPECT_FALSE(node.nodes[0].expires);
  EXPECT_TRUE(node.nodes[1].dir);
}

// A stranger makes directories as he likes, and the other keys are read all the same.
TEST(KeysAnswerTest, DirectoriesDeepInOneAnotherAreNotFollowed) {
  std::string text = R"({"node":{"dir":true,"nodes":[{"key":"/a","value":"x"},)";
  for (int i = 0; i < 1000; ++i)
    text += R"({"key":"/d","dir":true,"nodes":[)";
  for (int i = 0; i < 1000; ++i)
    text += "]}";
  const auto answer = decode_keys_answer(text + "]}}");
  ASSERT_TRUE(answer) << answer.error().text;
  ASSERT_EQ(answer->node.nodes.size(), 2U);
  EXPECT_EQ(answer->node.nodes[0].value, "x");
  int deep = 0;
  for (const KeysNode* node = &answer->node.nodes[1]; !node->nodes.empty(); ++deep)
    node = &node->nodes[0];
  EXPECT_EQ(deep, kMostParts);
}

TEST(KeysAnswerTest, WhatIsNoAnswerIsAnError) {
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{"), std::string("{}"),
        std::string(R"({"node":7})"), std::string(R"({"node":{"key":7}})"),
        std::string(R"({"node":{"value":{}}})"), std::string(R"({"node":{"modifiedIndex":-1}})"),
        std::string(R"({"node":{"modifiedIndex":1.5}})"),
        std::string(R"({"node":{"modifiedIndex":18446744073709551615}})"),
        std::string(R"({"node":{"nodes":{}}})"), std::string(R"({"node":{"nodes":[7]}})")}) {
    EXPECT_FALSE(decode_keys_answer(text)) << text;
  }
}

TEST(KeysErrorTest, TheCodeAndTheReasonAreRead) {
  const KeysError error = decode_keys_error(R"({"errorCode":101,"message":"Compare failed",)"
                                            R"("cause":"[4 != 5]","index":5})")
                              .value();
  EXPECT_EQ(error.code, keys_error::kCompareFailed);
  EXPECT_EQ(error.text, "Compare failed [4 != 5]");
  EXPECT_FALSE(decode_keys_error("404 page not found"));
  EXPECT_FALSE(decode_keys_error(R"({"errorCode":"101"})"));
  EXPECT_FALSE(decode_keys_error(R"({"errorCode":99999999999})"));
}

TEST(KeysErrorTest, RefreshCameWithTwoThree) {
  EXPECT_TRUE(knows_refresh(R"({"etcdserver":"3.4.23","etcdcluster":"3.4.0"})"));
  EXPECT_TRUE(knows_refresh(R"({"etcdserver":"2.3.0","etcdcluster":"2.3.0"})"));
  EXPECT_TRUE(knows_refresh(R"({"etcdserver":"10.0.0"})"));
  EXPECT_FALSE(knows_refresh(R"({"etcdserver":"2.3.8","etcdcluster":"2.2.0"})"));
  EXPECT_FALSE(knows_refresh(R"({"etcdserver":"2.2.5","etcdcluster":"not_decided"})"));
  EXPECT_FALSE(knows_refresh("etcd 2.0.9"));
  EXPECT_FALSE(knows_refresh(R"({"etcdserver":7})"));
}

TEST(KeysErrorTest, AnEtcdOfOldHasNoV3) {
  EXPECT_TRUE(is_before_v3(R"({"etcdserver":"2.3.8","etcdcluster":"2.3.0"})"));
  EXPECT_FALSE(is_before_v3(R"({"etcdserver":"3.0.1","etcdcluster":"3.0.0"})"));
  EXPECT_FALSE(is_before_v3("404 page not found")) << "an etcd that does not say so";
}

// What the answer means, by status and body.
Result<KeysReply> reply(int status, std::string body) {
  return read_keys_reply({status, {{"x-etcd-index", "7"}, {"x-etcd-cluster-id", "abc"}}},
                         std::move(body));
}

TEST(KeysReplyTest, ErrorsAboutAKeyAreAnswers) {
  EXPECT_EQ(reply(201, "x").value().error, 0);
  EXPECT_EQ(reply(200, "x").value().index, 7);
  EXPECT_EQ(reply(200, "x").value().cluster, "abc");
  EXPECT_EQ(reply(404, R"({"errorCode":100})").value().error, keys_error::kNotFound);
  EXPECT_EQ(reply(412, R"({"errorCode":105})").value().error, keys_error::kExists);
  EXPECT_EQ(reply(400, R"({"errorCode":401})").value().error, keys_error::kIndexCleared);
}

TEST(KeysReplyTest, ErrorsOfEtcdItselfAreFailures) {
  EXPECT_EQ(reply(500, R"({"errorCode":300,"message":"Raft"})").error().kind,
            ErrorKind::unavailable);
  EXPECT_EQ(reply(502, "bad gateway").error().kind, ErrorKind::unavailable);
  EXPECT_EQ(reply(301, "").error().kind, ErrorKind::unavailable);
  EXPECT_EQ(reply(401, R"({"errorCode":110,"message":"no"})").error().kind, ErrorKind::denied);
  EXPECT_EQ(reply(403, "").error().kind, ErrorKind::denied);
  EXPECT_NE(reply(501, "").error().text.find("a proxy that only reads"), std::string::npos);
  EXPECT_NE(reply(503, "").error().text.find("no etcd behind it"), std::string::npos);
  EXPECT_EQ(reply(404, "404 page not found").error().kind, ErrorKind::unsupported);
}

}  // namespace
}  // namespace flannel::keys_api_test
