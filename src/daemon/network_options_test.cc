// SPDX-License-Identifier: Apache-2.0
// The options of several networks.
#include <gtest/gtest.h>

#include "daemon/kept_fds.h"
#include "daemon/options.h"

namespace flannel::network_options_test {
namespace {

using Words = std::vector<std::string>;

Result<CommandLine> parse(const Words& arguments) {
  return parse_command_line(arguments, [](const std::string&) { return nullptr; });
}

Options options(const Words& arguments) {
  return std::get<Options>(parse(arguments).value());
}

TEST(NetworkOptions, WithoutTheFlagThereIsOneNetworkWithoutAName) {
  const Options all = options({"--subnet-file=/run/f/subnet.env"});
  EXPECT_EQ(network_names(all), Words{""});
  const Options own = options_of(all, "");
  EXPECT_EQ(own.store.prefix, "/coreos.com/network");
  EXPECT_EQ(own.subnet_file, "/run/f/subnet.env");
}

TEST(NetworkOptions, EachOfSeveralHasKeysAFileAndANetworkInDockerOfItsOwn) {
  const Options all = options({"--networks=green, blue", "--etcd-prefix=/x/", "--docker-network=fl",
                               "--subnet-file=/run/f/subnet.env"});
  EXPECT_EQ(network_names(all), (Words{"green", "blue"})) << "as they are given";
  const Options own = options_of(all, "blue");
  EXPECT_EQ(own.store.prefix, "/x/blue");
  EXPECT_EQ(own.subnet_file, "/run/f/networks/blue.env");
  EXPECT_EQ(own.docker.network, "fl-blue");
  EXPECT_TRUE(options_of(options({"--networks=blue"}), "blue").docker.network.empty());
}

TEST(NetworkOptions, AStarIsForThoseOfTheStore) {
  const Options all = options({"--networks=*", "--subnet-file=/run/f/subnet.env"});
  EXPECT_TRUE(all.follows_store);
  EXPECT_EQ(network_names(all), Words());
  const Options own = options_of(all, "blue");
  EXPECT_TRUE(own.follows_store) << "the network is one of the store's";
  EXPECT_EQ(own.subnet_file, "/run/f/networks/blue.env");
  EXPECT_FALSE(options({"--networks=blue"}).follows_store);
}

TEST(NetworkOptions, NamesThatCannotBeAreRefused) {
  for (const char* names : {"blue,", "*,blue", "blue,*", "a/b", "blue,blue", "config", ","}) {
    const auto parsed = parse({std::string("--networks=") + names});
    ASSERT_FALSE(parsed) << names;
    EXPECT_EQ(parsed.error().text.find("--networks: "), 0U) << parsed.error().text;
  }
}

TEST(NetworkOptions, WhatIsLiveIsTakenAndNothingElse) {
  Options running = options({"--v=1", "--subnet-file=/a/b", "--subnet-lease-ttl=100"});
  running.take_live(options({"--v=3", "--ip-masq", "--public-ip=192.0.2.9", "--subnet-file=/c/d",
                             "--subnet-lease-ttl=200", "--subnet-lease-renew-margin=2"}));
  EXPECT_EQ(running.verbosity, 3);
  EXPECT_TRUE(running.firewall.rules.masquerade);
  EXPECT_EQ(running.underlay.public_ip, "192.0.2.9");
  EXPECT_EQ(running.keeper.renew_margin, std::chrono::minutes(2));
  EXPECT_EQ(running.subnet_file, "/a/b");
  EXPECT_EQ(running.keeper.ttl, std::chrono::seconds(100));
}

TEST(NetworkOptions, DescriptorsAreKeptForEachNetwork) {
  EXPECT_EQ(KeptFds::name_in("", "queues"), "queues");
  EXPECT_EQ(KeptFds::name_in("blue", "queues"), "blue.queues");
}

}  // namespace
}  // namespace flannel::network_options_test
