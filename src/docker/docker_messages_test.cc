// SPDX-License-Identifier: Apache-2.0
// The golden answers are of real engines: DOCKER_ANSWERS is the corpus of the fuzzer.
#include "docker/docker_messages.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace flannel::docker_messages_test {
namespace {

std::string golden(const std::string& name) {
  std::ifstream file(std::string(DOCKER_ANSWERS) + "/" + name);
  EXPECT_TRUE(file) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const DockerNetwork* find(const std::vector<DockerNetwork>& all, const std::string& name) {
  for (const DockerNetwork& one : all)
    if (one.name == name) return &one;
  return nullptr;
}

std::string text_of(const DockerNetwork* network) {
  if (network == nullptr) return "none";
  std::string text = network->driver;
  for (const IpPrefix& subnet : network->subnets)
    text += " " + to_string(subnet);
  if (network->mtu) text += " mtu " + std::to_string(*network->mtu);
  return text + (network->is_ours ? " ours" : "");
}

class GoldenTest : public testing::TestWithParam<const char*> {};

TEST_P(GoldenTest, TheListOfARealEngineIsRead) {
  const auto all = parse_docker_networks(golden(GetParam()));
  ASSERT_TRUE(all.has_value()) << all.error().text;
  EXPECT_EQ(text_of(find(*all, "flannel")), "bridge 10.5.34.0/24 mtu 1450 ours");
  EXPECT_EQ(text_of(find(*all, "dual")), "bridge 10.5.36.0/24 fd00:5:0:24::/64 mtu 1450 ours");
  EXPECT_EQ(text_of(find(*all, "bridge")), "bridge 172.17.0.0/16 mtu 1500");
  EXPECT_EQ(text_of(find(*all, "host")), "host");
  EXPECT_EQ(text_of(find(*all, "none")), "null");
}

INSTANTIATE_TEST_SUITE_P(Docker, GoldenTest, testing::Values("docker-20.10", "docker-28.5"),
                         [](const auto& about) {
                           return std::string(about.param) == "docker-28.5" ? "R28" : "R20";
                         });

TEST(DockerMessagesTest, WhatCannotBeReadIsLeftOut) {
  const auto odd = parse_docker_networks(golden("odd"));
  ASSERT_TRUE(odd.has_value());
  ASSERT_EQ(odd->size(), 1U);
  EXPECT_EQ(text_of(&odd->front()), "bridge 10.5.34.0/24 mtu 1450");
  for (const char* text : {"", "{}", "null", "[", "page not found"})
    EXPECT_FALSE(parse_docker_networks(text)) << text;
}

TEST(DockerMessagesTest, TheNetworkThatIsMadeHasAllThatDockerRunNeeds) {
  const WishedNetwork wished{.name = "flannel",
                             .subnet = {IpPrefix::parse("10.5.34.0/24").value(),
                                        IpPrefix::parse("fd00:5:0:22::/64").value()},
                             .mtu = 1450,
                             .overlay = "10.5.0.0/16,fd00:5::/48"};
  const HttpCall call = docker_make_call(wished);
  EXPECT_EQ(call.method + " " + call.path, "POST /networks/create");
  EXPECT_EQ(nlohmann::json::parse(call.body), nlohmann::json::parse(R"({
    "Name": "flannel", "CheckDuplicate": true, "Driver": "bridge", "EnableIPv6": true,
    "IPAM": {"Driver": "default",
             "Config": [{"Subnet": "10.5.34.0/24", "Gateway": "10.5.34.1"},
                        {"Subnet": "fd00:5:0:22::/64", "Gateway": "fd00:5:0:22::1"}]},
    "Options": {"com.docker.network.driver.mtu": "1450",
                "com.docker.network.bridge.name": "docker-flannel"},
    "Labels": {"flannel-cpp": "10.5.0.0/16,fd00:5::/48"}})"));
}

TEST(DockerMessagesTest, ARefusalHasDockersReasonInOneLine) {
  const auto answer = [](int status, std::string body) {
    return docker_answer({.head = {.status = status, .headers = {}}, .body = std::move(body)},
                         "make it");
  };
  EXPECT_EQ(answer(201, "{}").value(), "{}");
  EXPECT_EQ(answer(403, R"({"message":"Pool overlaps"})").error().text,
            "make it: Docker answers 403: Pool overlaps");
  EXPECT_EQ(answer(404, "page not\nfound").error().text,
            "make it: Docker answers 404: page not\\nfound");
  EXPECT_LT(answer(500, std::string(10'000, 'x')).error().text.size(), 400U);
}

}  // namespace
}  // namespace flannel::docker_messages_test
