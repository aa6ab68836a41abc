// SPDX-License-Identifier: Apache-2.0
#include "docker/docker_network.h"

#include <gtest/gtest.h>

#include "docker/docker_host.h"

namespace flannel::docker_network_test {
namespace {

IpPrefix net(std::string_view text) {
  return IpPrefix::parse(text).value();
}

SubnetEnv env(bool v4 = true, bool v6 = false) {
  SubnetEnv env{.network = {}, .subnet = {}, .network6 = {}, .subnet6 = {}, .mtu = 1450};
  if (v4) env.network = net("10.5.0.0/16"), env.subnet = net("10.5.34.0/24");
  if (v6) env.network6 = net("fd00:5::/48"), env.subnet6 = net("fd00:5:0:22::/64");
  return env;
}

struct There {
  std::string name = "flannel", driver = "bridge";
  std::vector<std::string> subnets = {"10.5.34.0/24"};
  std::optional<std::uint32_t> mtu = 1450;
  bool is_ours = true;
};

DockerNetwork network(const There& there) {
  DockerNetwork one{there.name, there.driver, {}, there.mtu, there.is_ours, "0123456789abcdef"};
  for (const std::string& subnet : there.subnets)
    one.subnets.push_back(net(subnet));
  return one;
}

// "make", "nothing", or the code of the problem.
std::string step(const std::vector<There>& there, const SubnetEnv& has = env()) {
  std::vector<DockerNetwork> networks;
  for (const There& one : there)
    networks.push_back(network(one));
  const DockerStep step = next_step(WishedNetwork::of("flannel", has), networks);
  if (step.make) return step.problem ? "both" : "make";
  return step.problem ? std::string(step.problem->kind->code) : "nothing";
}

const There kDocker0{.name = "bridge", .subnets = {"172.17.0.0/16"}, .mtu = 1500, .is_ours = false};
const There kHost{.name = "host", .driver = "host", .subnets = {}, .mtu = {}, .is_ours = false};

TEST(DockerNetworkTest, IsMadeWhereItIsMissingAndLeftWhereItIsRight) {
  EXPECT_EQ(step({}), "make");
  EXPECT_EQ(step({kDocker0, kHost}), "make");
  EXPECT_EQ(step({kDocker0, {}}), "nothing");
  EXPECT_EQ(step({{.name = "flannel2", .subnets = {"10.6.0.0/24"}}}), "make");
}

TEST(DockerNetworkTest, AnOtherSubnetIsAProblemAndNothingIsMade) {
  EXPECT_EQ(step({{.subnets = {"10.5.77.0/24"}}}), "docker-network-differs");
  EXPECT_EQ(step({{.subnets = {"10.5.34.0/25"}}}), "docker-network-differs");
  EXPECT_EQ(step({{.subnets = {}}}), "docker-network-differs");
  EXPECT_EQ(step({{.driver = "macvlan"}}), "docker-network-differs");
  EXPECT_EQ(step({{.subnets = {"10.5.77.0/24"}, .is_ours = false}}), "docker-network-foreign");
}

TEST(DockerNetworkTest, OneThatAnOperatorMadeWithOurSubnetServes) {
  EXPECT_EQ(step({{.is_ours = false}}), "nothing");
}

// Docker 20.10 lets two networks have one name.
TEST(DockerNetworkTest, TwoWithTheNameAreAProblemAlsoIfOneIsRight) {
  const There other{.subnets = {"10.5.77.0/24"}, .is_ours = false};
  EXPECT_EQ(step({other, {}}), "docker-network-twice");
  EXPECT_EQ(step({{}, other}), "docker-network-twice");
  EXPECT_EQ(step({other, {.subnets = {"10.5.78.0/24"}}}), "docker-network-twice");
  DockerNetwork one = network({}), two = network(other);
  two.id = "f\nffffffffffffff";
  const DockerStep step = next_step(WishedNetwork::of("flannel", env()), {one, two});
  EXPECT_EQ(step.problem->text,
            "Docker has 2 networks with the name flannel, and containers get any one of them; "
            "their ids are 0123456789ab, \"f\\nffffffffff\"");
}

TEST(DockerNetworkTest, ASubnetOfASwarmIsNotOfThisHost) {
  EXPECT_EQ(step({{.name = "swarm", .driver = "overlay", .subnets = {"10.5.0.0/16"}}}), "make");
}

TEST(DockerNetworkTest, OurSubnetServesOneNetworkOnly) {
  EXPECT_EQ(step({{.name = "bridge", .is_ours = false}}), "docker-subnet-taken");
  EXPECT_EQ(step({{.name = "x", .subnets = {"10.0.0.0/8"}}}), "docker-subnet-taken");
  EXPECT_EQ(step({{.name = "x", .subnets = {"fd00:5:0:22::/80"}}}, env(true, true)),
            "docker-subnet-taken");
  EXPECT_EQ(step({{.name = "x", .subnets = {"fd00:5:0:23::/64"}}}, env(true, true)), "make");
}

TEST(DockerNetworkTest, OnlyALargerMtuIsAProblem) {
  EXPECT_EQ(step({{.mtu = 1400}}), "nothing");
  EXPECT_EQ(step({{.mtu = {}}}), "nothing");
  EXPECT_EQ(step({{.mtu = 1451}}), "docker-network-mtu");
}

TEST(DockerNetworkTest, EachFamilyOfTheHostHasItsSubnetInIt) {
  const There both{.subnets = {"10.5.34.0/24", "fd00:5:0:22::/64"}};
  const There turned{.subnets = {"fd00:5:0:22::/64", "10.5.34.0/24"}};
  EXPECT_EQ(step({both}, env(true, true)), "nothing");
  EXPECT_EQ(step({turned}, env(true, true)), "nothing");
  EXPECT_EQ(step({{}}, env(true, true)), "docker-network-differs");
  EXPECT_EQ(step({both}), "docker-network-differs");
  const There six{.subnets = {"172.18.0.0/16", "fd00:5:0:22::/64"}};
  EXPECT_EQ(step({six}, env(false, true)), "nothing") << "Docker adds IPv4 of its own";
  EXPECT_EQ(step({}, env(false, true)), "make");
}

TEST(DockerNetworkTest, AProblemNamesBothSubnetsAndARemedyThatKeepsContainers) {
  const WishedNetwork wished = WishedNetwork::of("flannel", env());
  const DockerStep differs = next_step(wished, {network({.subnets = {"10.5.77.0/24"}})});
  ASSERT_TRUE(differs.problem);
  EXPECT_EQ(in_words(*differs.problem),
            "Docker's network flannel has 10.5.77.0/24, and the subnet of this host is "
            "10.5.34.0/24 now; other hosts do not reach its containers; remedy: remove its "
            "containers, and then: docker network rm flannel; flanneld makes it again at once");
  const DockerStep taken = next_step(wished, {network({.name = "bridge", .is_ours = false})});
  ASSERT_TRUE(taken.problem);
  EXPECT_EQ(taken.problem->text,
            "docker0 (--bip) of Docker has 10.5.34.0/24, and the subnet 10.5.34.0/24 of this host "
            "serves that or the network flannel, not both");
}

TEST(DockerNetworkTest, TextsOfDockerAreShownInOneLine) {
  const DockerStep step =
      next_step(WishedNetwork::of("flannel", env()), {network({.name = "a\nb\x1b[31m"})});
  ASSERT_TRUE(step.problem);
  EXPECT_EQ(step.problem->text.find_first_of("\n\x1b"), std::string::npos) << step.problem->text;
}

TEST(DockerNetworkTest, TheBridgeHasANameThatTheKernelTakes) {
  EXPECT_EQ(WishedNetwork::of("flannel", env()).bridge(), "docker-flannel");
  EXPECT_EQ(WishedNetwork::of("flannel1", env()).bridge(), "docker-flannel1");
  EXPECT_EQ(WishedNetwork::of("flannel-blue", env()).bridge(), "docker-fl-62ebe");
  EXPECT_EQ(WishedNetwork::of("flannel-green", env()).bridge(), "docker-fl-499d1");
}

TEST(DockerNetworkTest, SomeNamesAreRefused) {
  for (const char* name : {"flannel", "a", "0", "My_net.1-x"})
    EXPECT_TRUE(check_docker_network_name(name)) << name;
  const std::string long_name(65, 'a');
  for (const std::string& name :
       {std::string(), std::string("-a"), std::string("a b"), std::string("a/b"),
        std::string("\xc3\xa4"), std::string("bridge"), std::string("host"), std::string("none"),
        std::string("default"), long_name})
    EXPECT_FALSE(check_docker_network_name(name)) << name;
}

TEST(DockerNetworkTest, DockerIsThatOfThisHost) {
  EXPECT_EQ(parse_docker_host("").value(), "/run/docker.sock");
  EXPECT_EQ(parse_docker_host("unix:///run/user/1000/docker.sock").value(),
            "/run/user/1000/docker.sock");
  for (const char* other :
       {"tcp://192.0.2.1:2375", "ssh://h", "unix://docker.sock", "/run/d", "fd://"})
    EXPECT_FALSE(parse_docker_host(other)) << other;
}

}  // namespace
}  // namespace flannel::docker_network_test
