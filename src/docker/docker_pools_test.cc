// SPDX-License-Identifier: Apache-2.0
#include "docker/docker_pools.h"

#include <gtest/gtest.h>

#include <map>

#include "docker/docker_pools_file.h"

namespace flannel::docker_pools_test {
namespace {

IpPrefix net(const std::string& text) {
  return IpPrefix::parse(text).value();
}

IpAddress ip(const std::string& text) {
  return IpAddress::parse(text).value();
}

// A host whose bridges are made and removed by the test, as Docker does.
class FakeHost : public PoolHost {
 public:
  std::map<std::string, SubnetKey> leases{{"", {net("10.5.34.0/24"), {}}}};
  std::map<IpAddress, std::string> devices;
  std::string route;
  TimePoint time = TimePoint() + std::chrono::hours(1);

  std::vector<std::string> networks() override {
    std::vector<std::string> names;
    for (const auto& [name, subnets] : leases)
      names.push_back(name);
    return names;
  }
  Result<SubnetKey> subnets(const std::string& network) override {
    const SubnetKey key = leases.at(network);
    if (!key.v4 && !key.v6) return fail(ErrorKind::unavailable, "store: etcd is away");
    return key;
  }
  std::uint32_t mtu(const std::string&) override { return 1450; }
  std::string device_in(const IpPrefix& subnet) override {
    for (const auto& [address, device] : devices) {
      if (subnet.contains(address)) return device + ", which has " + to_string(address);
    }
    return "";
  }
  TimePoint now() override { return time; }
  std::string route_over(const IpPrefix&) override { return route; }
};

class DockerPoolsTest : public testing::Test {
 protected:
  // What Docker does for `docker network create`.
  std::string create(const PoolRequest& request = {}) {
    const auto pool = pools_.request_pool(request, host_);
    if (!pool) return pool.error().text;
    const auto gateway = pools_.request_address({.pool = *pool, .is_gateway = true}, host_);
    if (!gateway) return gateway.error().text;
    host_.devices.emplace(*gateway, "br-1a2b3c");
    return to_string(*pool);
  }
  std::string run(const std::string& pool = "10.5.34.0/24") {
    const auto address = pools_.request_address({.pool = net(pool)}, host_);
    return address ? to_string(*address) : address.error().text;
  }
  // What a Docker with such containers does when it starts.
  void replay(const std::vector<std::string>& containers) {
    pools_.activate();
    ask_again(containers);
  }
  void ask_again(const std::vector<std::string>& containers) {
    ASSERT_TRUE(pools_.request_pool({.subnet = net("10.5.34.0/24")}, host_));
    ASSERT_TRUE(pools_.request_address(
        {.pool = net("10.5.34.0/24"), .address = ip("10.5.34.1"), .is_gateway = true}, host_));
    for (const std::string& one : containers) {
      const auto again =
          pools_.request_address({.pool = net("10.5.34.0/24"), .address = ip(one)}, host_);
      ASSERT_TRUE(again.has_value()) << again.error().text;
    }
  }
  void ask_again_for(const std::string& address) {
    const auto again =
        pools_.request_address({.pool = net("10.5.34.0/24"), .address = ip(address)}, host_);
    EXPECT_TRUE(again.has_value()) << again.error().text;
  }
  std::size_t containers() const { return pools_.state().pools.at(0).containers(); }
  // What a daemon reads that is started anew.
  void restart_daemon() {
    auto state = decode_docker_pools(encode_docker_pools(pools_.state()));
    ASSERT_TRUE(state.has_value()) << state.error().text;
    EXPECT_EQ(*state, pools_.state());
    pools_ = DockerPools(*std::move(state));
  }

  FakeHost host_;
  DockerPools pools_;
};

TEST_F(DockerPoolsTest, APoolIsTheSubnetOfThisHost) {
  EXPECT_EQ(create(), "10.5.34.0/24");
  EXPECT_EQ(run(), "10.5.34.2");
  EXPECT_EQ(run(), "10.5.34.3");
  pools_.release_address(net("10.5.34.0/24"), ip("10.5.34.2"));
  EXPECT_EQ(containers(), 1U);
  pools_.release_address(net("10.5.34.0/24"), ip("10.5.34.1"));
  pools_.release_pool(net("10.5.34.0/24"));
  EXPECT_TRUE(pools_.state().pools.empty());
}

const char kInUse[] =
    "10.5.34.0/24, the subnet of this host, is in use by br-1a2b3c, which has 10.5.34.1: one "
    "Docker network has it, to which containers can be attached; another one needs another flannel "
    "network (--ipam-opt network=NAME); where --docker-network or --bip has made it, leave that "
    "flag "
    "out, and remove it";

TEST_F(DockerPoolsTest, OneDockerNetworkHasIt) {
  EXPECT_EQ(create({.subnet = net("10.5.34.0/24")}), "10.5.34.0/24");
  run();
  EXPECT_EQ(create(), kInUse);
  EXPECT_EQ(create({.subnet = net("10.5.34.0/24")}), kInUse);
  restart_daemon();
  EXPECT_EQ(create({.subnet = net("10.5.34.0/24")}), kInUse);
  EXPECT_EQ(run(), "10.5.34.3");
  // A bridge of another program, such as docker0 with --bip.
  pools_ = DockerPools();
  EXPECT_EQ(create(), kInUse);
  EXPECT_EQ(create({.subnet = net("10.5.34.0/24")}), kInUse);
}

TEST_F(DockerPoolsTest, WithoutABridgeContainersKeepThePoolInUse) {
  create();
  run();
  host_.devices.clear();  // as of macvlan
  const std::string said =
      "10.5.34.0/24, the subnet of this host, is in use by containers of another Docker network; "
      "if "
      "there are none, restart Docker, which reports what it has";
  EXPECT_EQ(create(), said);
  EXPECT_EQ(create({.subnet = net("10.5.34.0/24")}), said);
  EXPECT_EQ(run(), "10.5.34.3");
  pools_.activate();  // Docker has no such network any more
  EXPECT_EQ(create(), "10.5.34.0/24");
  EXPECT_EQ(run(), "10.5.34.2");
}

TEST_F(DockerPoolsTest, WhatIsLeftOfANetworkWithoutABridgeIsOver) {
  create();
  host_.devices.clear();
  restart_daemon();
  EXPECT_EQ(create(), "10.5.34.0/24");
  EXPECT_EQ(containers(), 0U);
}

TEST_F(DockerPoolsTest, OneOfTwoNetworksThatAreMadeAtOnceGetsThePool) {
  const PoolRequest any, named{.network = {}, .family = Family::v4, .subnet = net("10.5.34.0/24")};
  for (const auto& [first, second] : {std::pair(any, named), std::pair(any, any),
                                      std::pair(named, any), std::pair(named, named)}) {
    pools_ = DockerPools();
    const auto pool = pools_.request_pool(first, host_);
    ASSERT_TRUE(pools_.request_address({.pool = *pool, .is_gateway = true}, host_));
    EXPECT_EQ(pools_.request_pool(second, host_).error().text,
              "10.5.34.0/24, the subnet of this host, is just being given to another Docker "
              "network; if not, try again in ten seconds");
    host_.time += std::chrono::seconds(10);
    EXPECT_TRUE(pools_.request_pool(second, host_)) << "the first one was given up, without a call";
  }
}

TEST_F(DockerPoolsTest, AnotherGatewayDoesNotTakeThePoolFromANetwork) {
  create();
  run();
  pools_.activate();
  ASSERT_TRUE(pools_.request_pool({.subnet = net("10.5.34.0/24")}, host_));
  EXPECT_EQ(
      pools_
          .request_address(
              {.pool = net("10.5.34.0/24"), .address = ip("10.5.34.9"), .is_gateway = true}, host_)
          .error()
          .text,
      "10.5.34.0/24 is in use, with the gateway 10.5.34.1");
}

TEST_F(DockerPoolsTest, DockerIsNotAskedForAnotherPoolWithoutAnEnd) {
  host_.route = "10.5.0.0/16 dev flannel0";
  ASSERT_TRUE(pools_.request_pool({}, host_));
  EXPECT_EQ(pools_.request_pool({}, host_).error().text,
            "10.5.34.0/24, the subnet of this host, overlaps the route 10.5.0.0/16 dev flannel0, "
            "and Docker takes it only if it is named: add --subnet=10.5.34.0/24");
  pools_.release_pool(net("10.5.34.0/24"));
  EXPECT_EQ(create({.subnet = net("10.5.34.0/24")}), "10.5.34.0/24");
}

TEST_F(DockerPoolsTest, AReplayFreesWhatNobodyHas) {
  create();
  for (int i = 0; i < 4; ++i)
    run();
  replay({"10.5.34.2", "10.5.34.4"});
  EXPECT_EQ(containers(), 4U) << "the replay may go on";
  EXPECT_EQ(run(), "10.5.34.6");
  EXPECT_EQ(containers(), 3U);
}

TEST_F(DockerPoolsTest, AReplayOfWhichACallWasLostFreesNothing) {
  create();
  for (int i = 0; i < 4; ++i)
    run();
  replay({"10.5.34.2"});
  restart_daemon();  // during the call for 10.5.34.3
  EXPECT_EQ(run(), "10.5.34.6");
  EXPECT_EQ(containers(), 5U);
  replay({"10.5.34.2"});
  pools_.lose_call();  // a call without a body
  ask_again_for("10.5.34.4");
  run();
  EXPECT_EQ(containers(), 6U);
  replay({"10.5.34.2", "10.5.34.3", "10.5.34.4"});
  run();
  EXPECT_EQ(containers(), 4U);
}

TEST_F(DockerPoolsTest, APoolThatIsGivenBackInAReplayStaysWithItsContainers) {
  create();
  run();
  pools_.activate();
  ASSERT_TRUE(pools_.request_pool({.subnet = net("10.5.34.0/24")}, host_));
  pools_.release_pool(net("10.5.34.0/24"));  // the call for the gateway was lost
  EXPECT_EQ(run(), "10.5.34.3");
  EXPECT_EQ(containers(), 2U);
}

TEST_F(DockerPoolsTest, AfterAReplayPoolsThatDockerDoesNotNameAreOver) {
  create();
  host_.leases[""].v4 = net("10.5.77.0/24");
  EXPECT_EQ(create(), "10.5.77.0/24");
  host_.devices.erase(ip("10.5.34.1"));  // the network was removed, and the call was lost
  EXPECT_EQ(pools_.state().pools.size(), 2U);
  pools_.activate();
  ASSERT_TRUE(pools_.request_pool({.subnet = net("10.5.77.0/24")}, host_));
  run("10.5.77.0/24");
  EXPECT_EQ(pools_.state().pools.size(), 1U);
}

TEST_F(DockerPoolsTest, AnEngineThatDidNotReplayFreesNothing) {
  create();
  run();
  pools_.activate();
  EXPECT_EQ(run(), "10.5.34.3");
  EXPECT_EQ(containers(), 2U);
  EXPECT_EQ(pools_.request_address({.pool = net("10.5.34.0/24"), .address = ip("10.5.34.2")}, host_)
                .error()
                .text,
            "the address 10.5.34.2 is taken");
}

// Docker makes no second bridge, and gives all back: the first call of an engine without a replay.
TEST_F(DockerPoolsTest, AnotherNetworkByNameIsNoReplay) {
  for (const bool names_gateway : {false, true}) {
    pools_ = DockerPools();
    host_.devices.clear();
    create();
    run();
    pools_.activate();
    ASSERT_TRUE(pools_.request_pool({.subnet = net("10.5.34.0/24")}, host_));
    AddressRequest gateway{.pool = net("10.5.34.0/24"), .address = {}, .is_gateway = true};
    if (names_gateway) gateway.address = ip("10.5.34.1");
    ASSERT_TRUE(pools_.request_address(gateway, host_));
    pools_.release_address(net("10.5.34.0/24"), ip("10.5.34.1"));
    pools_.release_pool(net("10.5.34.0/24"));
    EXPECT_NE(run(), "10.5.34.2");
  }
}

// The first call of an engine without a replay is for an address by name.
TEST_F(DockerPoolsTest, AnAddressByNameIsNoReplayWithoutItsPool) {
  create();
  run();
  pools_.activate();
  EXPECT_EQ(pools_.request_address({.pool = net("10.5.34.0/24"), .address = ip("10.5.34.2")}, host_)
                .error()
                .text,
            "the address 10.5.34.2 is taken");
  ask_again_for("10.5.34.50");
  ask_again_for("10.5.34.51");
  EXPECT_EQ(run(), "10.5.34.3");
  EXPECT_EQ(containers(), 4U);
  // Another network of its subnet is given back, and the live one stays.
  pools_.release_pool(net("10.5.34.0/24"));
  EXPECT_EQ(run(), "10.5.34.4");
}

TEST_F(DockerPoolsTest, ANewNetworkIsCompleteAlsoAfterCallsThatWereLost) {
  pools_.activate();
  pools_.lose_call();
  EXPECT_EQ(create({.subnet = net("10.5.34.0/24")}), "10.5.34.0/24");
  EXPECT_EQ(run(), "10.5.34.2");
}

TEST_F(DockerPoolsTest, APoolThatIsNotReplayedIsNotCompletedByAnother) {
  host_.devices.emplace(ip("10.5.34.1"), "br-1a2b3c");  // a live network, and no file
  replay({"10.5.34.2"});
  pools_.lose_call();
  pools_.activate();  // started without the plugin
  const std::string said = "flanneld does not know which addresses of 10.5.34.0/24 have containers";
  EXPECT_EQ(run().substr(0, said.size()), said);
}

TEST_F(DockerPoolsTest, AnEngineThatDiesInItsReplayBeginsAnew) {
  create();
  for (int i = 0; i < 3; ++i)
    run();
  replay({"10.5.34.2"});
  replay({"10.5.34.2", "10.5.34.3"});
  run();
  EXPECT_EQ(containers(), 3U);
}

TEST_F(DockerPoolsTest, AReplayRestoresWhatTheDaemonHasLost) {
  EXPECT_EQ(run(),
            "flanneld does not know which addresses of 10.5.34.0/24 have containers: "
            "restart Docker, which reports them");
  host_.devices.emplace(ip("10.5.34.1"), "br-1a2b3c");
  const auto daemon_without_a_file = pools_;
  replay({"10.5.34.2", "10.5.34.3"});
  EXPECT_EQ(run(), "10.5.34.4");
  // If a call of that is lost, nobody knows whose address it was about.
  pools_ = daemon_without_a_file;
  replay({"10.5.34.2"});
  restart_daemon();
  const std::string said = "flanneld does not know which addresses of 10.5.34.0/24 have containers";
  EXPECT_EQ(run().substr(0, said.size()), said);
  replay({"10.5.34.2", "10.5.34.3"});
  EXPECT_EQ(run(), "10.5.34.4");
}

TEST_F(DockerPoolsTest, ARenumberedHostGivesNoAddressThatIsNotReached) {
  create();
  run();
  host_.leases[""].v4 = net("10.5.77.0/24");
  replay({"10.5.34.2"});
  EXPECT_EQ(run(),
            "this network has 10.5.34.0/24, which was the subnet of this host; it is "
            "10.5.77.0/24 now, and new containers in the old one would not be reached: "
            "remove the containers and the network, and create it again");
  EXPECT_EQ(create({.subnet = net("10.5.99.0/24")}).substr(0, 70),
            "10.5.99.0/24 is not the subnet of this host, which is 10.5.77.0/24: co");
  EXPECT_EQ(create(), "10.5.77.0/24");
  EXPECT_EQ(pools_.state().pools.size(), 2U) << "the old one still has its bridge";
}

TEST_F(DockerPoolsTest, BeforeTheLeaseIsKnownContainersGoOn) {
  create();
  host_.leases[""] = {};
  EXPECT_EQ(run(), "10.5.34.2");
  host_.devices.clear();
  EXPECT_EQ(create(), "this host has no subnet in the flannel network yet: store: etcd is away");
}

TEST_F(DockerPoolsTest, EachFamilyHasAPool) {
  host_.leases[""].v6 = net("fd00:5:0:22::/64");
  create();
  EXPECT_EQ(create({.family = Family::v6}), "fd00:5:0:22::/64");
  EXPECT_EQ(run("fd00:5:0:22::/64"), "fd00:5:0:22::2");
  EXPECT_EQ(run(), "10.5.34.2");
  restart_daemon();
  host_.leases[""].v6.reset();
  host_.devices.clear();
  EXPECT_EQ(create({.family = Family::v6}),
            "the flannel network has no IPv6: create the network without --ipv6");
}

TEST_F(DockerPoolsTest, OneOfSeveralNetworksIsNamed) {
  host_.leases = {{"blue", {net("10.5.34.0/24"), {}}}, {"green", {net("10.6.7.0/24"), {}}}};
  EXPECT_EQ(create(),
            "flanneld has the networks blue, green: --ipam-opt network=NAME says which "
            "one this is to be");
  EXPECT_EQ(create({.network = "red"}), "flanneld has no network \"red\"; it has blue, green");
  EXPECT_EQ(create({.network = "green"}), "10.6.7.0/24");
  EXPECT_EQ(create({.subnet = net("10.5.34.0/24")}), "10.5.34.0/24") << "the subnet says it";
  EXPECT_EQ(pools_.state().pools.at(1).state().network, "blue");
  EXPECT_EQ(create({.subnet = net("10.9.0.0/24")}).substr(0, 71),
            "10.9.0.0/24 is not the subnet of this host, which is 10.5.34.0/24 or 10");
  host_.leases = {{"", {net("10.5.34.0/24"), {}}}};
  EXPECT_EQ(create({.network = "blue"}).substr(0, 58),
            "flanneld has one network, which has no name, and not \"blue");
}

}  // namespace
}  // namespace flannel::docker_pools_test
