// SPDX-License-Identifier: Apache-2.0
#include "docker/docker_pools_file.h"

#include <gtest/gtest.h>

#include <map>

namespace flannel::docker_pools_file_test {
namespace {

IpPrefix net(const std::string& text) {
  return IpPrefix::parse(text).value();
}

IpAddress ip(const std::string& text) {
  return IpAddress::parse(text).value();
}

TEST(DockerPoolsFileTest, ADamagedFileIsRefused) {
  const std::string whole = encode_docker_pools(
      {.pools = {AddressPool({.network = "blue",
                              .subnet = net("10.5.34.0/24"),
                              .gateway = ip("10.5.34.1"),
                              .last = ip("10.5.34.9"),
                              .holders = 1,
                              .addresses = {{ip("10.5.34.1"), AddressPool::Use::taken},
                                            {ip("10.5.34.9"), AddressPool::Use::doubtful}}})},
       .may_replay = true});
  ASSERT_TRUE(decode_docker_pools(whole));
  for (std::size_t size = 0; size + 1 < whole.size(); ++size)
    EXPECT_FALSE(decode_docker_pools(whole.substr(0, size))) << size;
  for (const auto& [from, to] : std::map<std::string, std::string>{
           {"\"version\": 1", "\"version\": 2"},
           {"10.5.34.9", "10.5.35.9"},
           {"\"blue\"", "\"../blue\""},
           {"\"taken\": [", "\"taken\": [\"10.5.34.9\", "},
           {"10.5.34.0/24", "10.5.34.0/33"},
           {"\"holders\": 1", "\"holders\": -1"},
       }) {
    std::string damaged = whole;
    damaged.replace(damaged.find(from), from.size(), to);
    EXPECT_FALSE(decode_docker_pools(damaged)) << damaged;
  }
}

}  // namespace
}  // namespace flannel::docker_pools_file_test
