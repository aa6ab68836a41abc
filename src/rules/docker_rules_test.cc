// SPDX-License-Identifier: Apache-2.0
#include "rules/docker_rules.h"

#include <gtest/gtest.h>

#include "support/in_family.h"

namespace flannel::docker_rules_test {
namespace {

const std::string kJump = R"(-m comment --comment "flanneld docker" -j FLANNEL-DOCKER)";
const std::string kAccept =
    R"(-A FLANNEL-DOCKER -s 10.42.0.0/16 -d 10.42.1.0/24 -i flannel.1 -m comment --comment "flanneld docker" -j ACCEPT
)";
const std::string kUnmasked =
    R"(-s 10.42.1.0/24 -d 10.42.0.0/16 -m mark ! --mark 0x4000/0x4000 -m comment --comment "flanneld docker" -j ACCEPT)";
const std::string kChain = ":FLANNEL-DOCKER - [0:0]\n";
const std::string kDrop = "-A PREROUTING -d 10.42.1.2/32 ! -i docker0 -j DROP\n";
const std::string kMasquerade = "-A POSTROUTING -s 10.42.1.0/24 ! -o docker0 -j MASQUERADE\n";

std::string raw(const std::string& rules, const std::string& chains = "") {
  return "*raw\n:PREROUTING ACCEPT [0:0]\n" + chains + rules + "COMMIT\n";
}
std::string filter(const std::string& chains, const std::string& rules = "") {
  return "*filter\n:FORWARD ACCEPT [0:0]\n" + chains + rules + "COMMIT\n";
}
std::string nat(const std::string& rules) {
  return "*nat\n:POSTROUTING ACCEPT [0:0]\n" + rules + "COMMIT\n";
}
const std::string kDocker28 = ":DOCKER-USER - [0:0]\n:DOCKER-FORWARD - [0:0]\n";
const std::string kDocker20 = ":DOCKER-USER - [0:0]\n";
const std::string kFilterDone = "-A DOCKER-USER " + kJump + "\n" + kAccept;

class DockerRulesTest : public InFamily<::testing::Test> {
 protected:
  DockerWish wish(OverlayIngress ingress) const { return {network, subnet, std::move(ingress)}; }
  std::string change(const std::string& saved, const DockerWish& wish) const {
    return docker_change(wish, parse_iptables_tables(text(saved)));
  }
  std::string change(const std::string& saved) const { return change(saved, vxlan); }

  const IpPrefix network = net("10.42.0.0/16");
  const IpPrefix subnet = net("10.42.1.0/24");
  const DockerWish vxlan = wish({.devices = {{"flannel.1", family()}}, .underlay = "eth0"});
};

INSTANTIATE_TEST_SUITE_P(Both, DockerRulesTest, kBothFamilies, family_name);

TEST_P(DockerRulesTest, WithoutDockerNothingIsTouched) {
  EXPECT_EQ(change(""), "");
  EXPECT_EQ(change(raw("-A PREROUTING -d 10.42.1.2/32 -p tcp -j DROP\n") + filter("") +
                   nat("-A POSTROUTING -s 10.42.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE\n")),
            "");
}

TEST_P(DockerRulesTest, Docker28IsPassedBeforeAContainerIsThere) {
  EXPECT_EQ(change(filter(kDocker28)),
            text("*raw\n" + kChain + kAccept + "-A PREROUTING " + kJump + "\nCOMMIT\n" +
                 "*filter\n" + kChain + kAccept + "-A DOCKER-USER " + kJump + "\nCOMMIT\n"));
}

TEST_P(DockerRulesTest, Docker20DropsNothingInRaw) {
  EXPECT_EQ(change(filter(kDocker20)),
            text("*filter\n" + kChain + kAccept + "-A DOCKER-USER " + kJump + "\nCOMMIT\n"));
}

TEST_P(DockerRulesTest, WhatIsThereIsLeftAlone) {
  EXPECT_EQ(change(raw("-A PREROUTING " + kJump + "\n" + kDrop + kAccept, kChain) +
                   filter(kDocker28 + kChain, kFilterDone) +
                   nat("-A POSTROUTING " + kUnmasked + "\n" + kMasquerade)),
            "");
}

TEST_P(DockerRulesTest, TheAcceptComesAheadOfTheDropsAndBehindTheOperatorsOwn) {
  const std::string operators = "-A PREROUTING -s 10.42.9.9/32 -j DROP\n";
  const std::string done = filter(kDocker28 + kChain, kFilterDone);
  EXPECT_EQ(change(raw(operators + kDrop + kAccept, kChain) + done),
            text("*raw\n-I PREROUTING 2 " + kJump + "\nCOMMIT\n"));
  EXPECT_EQ(change(raw(kDrop + "-A PREROUTING " + kJump + "\n" + kAccept, kChain) + done),
            text("*raw\n-D PREROUTING " + kJump + "\n-I PREROUTING 1 " + kJump + "\nCOMMIT\n"));
}

TEST_P(DockerRulesTest, WhatTheOperatorPutIntoDockersChainIsAskedFirst) {
  const std::string refusal = "-A DOCKER-USER -s 10.42.9.9/32 -j DROP\n";
  EXPECT_EQ(change(filter(kDocker20 + kChain, refusal + "-A DOCKER-USER -j RETURN\n" + kAccept)),
            text("*filter\n-I DOCKER-USER 2 " + kJump + "\nCOMMIT\n"));
  EXPECT_EQ(change(filter(kDocker20 + kChain,
                          "-A DOCKER-USER -j RETURN\n-A DOCKER-USER " + kJump + "\n" + kAccept)),
            text("*filter\n-D DOCKER-USER " + kJump + "\n-I DOCKER-USER 1 " + kJump + "\nCOMMIT\n"))
      << "the RETURN ahead of it leaves the chain";
}

TEST_P(DockerRulesTest, DropsForAddressesOfAnotherNetworkAreNoneOfOurs) {
  EXPECT_EQ(change(raw("-A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP\n")), "");
}

// With host-gw peers and their containers come in by the underlay; the peers speak by their own
// addresses.
TEST_P(DockerRulesTest, UnwrappedPeersComeInByTheUnderlay) {
  const DockerWish host_gw = this->wish({.underlay = "eth0", .neighbours = {ip("192.0.2.2")}});
  const std::string tail =
      " -d 10.42.1.0/24 -i eth0 -m comment --comment \"flanneld docker\" -j ACCEPT\n";
  EXPECT_EQ(
      change(filter(kDocker20), host_gw),
      text("*filter\n" + kChain + "-A FLANNEL-DOCKER -s 10.42.0.0/16" + tail +
           "-A FLANNEL-DOCKER -s 192.0.2.2/32" + tail + "-A DOCKER-USER " + kJump + "\nCOMMIT\n"));
}

TEST_P(DockerRulesTest, AnUnderlayOfAnyNameIsMatchedAlone) {
  const struct {
    const char* name;
    const char* written;
  } names[] = {
      {R"(e"x)", R"("e\"x")"}, {R"(e\x)", R"("e\\x")"}, {"e*", "e*"}, {"e+x", "e+x"}, {"!", "!"}};
  for (const auto& name : names) {
    const DockerWish wish = this->wish({.underlay = name.name, .neighbours = {ip("192.0.2.2")}});
    const auto rules = [](const std::string& interface) {
      const std::string tail = " -d 10.42.1.0/24 -i " + interface +
                               " -m comment --comment \"flanneld docker\" -j ACCEPT\n";
      return "-A FLANNEL-DOCKER -s 10.42.0.0/16" + tail + "-A FLANNEL-DOCKER -s 192.0.2.2/32" +
             tail;
    };
    EXPECT_EQ(change(filter(kDocker20), wish), text("*filter\n" + kChain + rules(name.written) +
                                                    "-A DOCKER-USER " + kJump + "\nCOMMIT\n"));
    EXPECT_EQ(
        change(filter(kDocker20 + kChain, "-A DOCKER-USER " + kJump + "\n" + rules(name.name)),
               wish),
        "")
        << "as iptables-save prints it";
    EXPECT_EQ(unmatched(wish.ingress), std::vector<std::string>{});
  }
}

TEST_P(DockerRulesTest, AnInterfaceNameWithAWildcardLetsNothingIn) {
  const DockerWish wish = this->wish({.underlay = "e+", .neighbours = {ip("192.0.2.2")}});
  EXPECT_EQ(change(filter(kDocker20), wish), "");
  EXPECT_EQ(unmatched(wish.ingress), std::vector<std::string>{"e+"});
  EXPECT_EQ(unmatched({.devices = {{"flannel.1", family()}}, .underlay = "e+"}),
            std::vector<std::string>{})
      << "nothing comes in by it unwrapped";
}

TEST_P(DockerRulesTest, RulesOfOthersWithAnyNameAreWrittenBackAndDeletedAsTheyAre) {
  const std::string saved = R"(-A FLANNEL-DOCKER -s 10.9.0.0/16 -d 10.9.3.0/24 -i e"x -j ACCEPT)"
                            "\n";
  const std::string written =
      R"(-A FLANNEL-DOCKER -s 10.9.0.0/16 -d 10.9.3.0/24 -i "e\"x" -j ACCEPT)"
      "\n";
  EXPECT_EQ(change(filter(kDocker20 + kChain, "-A DOCKER-USER " + kJump + "\n" + saved)),
            text("*filter\n" + kChain + written + kAccept + "COMMIT\n"));
  EXPECT_EQ(
      removal_of_all(nat(R"(-A POSTROUTING -o e"x -m comment --comment "flanneld docker" -j X)"
                         "\n")),
      text("*nat\n"
           R"(-D POSTROUTING -o "e\"x" -m comment --comment "flanneld docker" -j X)"
           "\nCOMMIT\n"));
}

TEST(OverlayIngressTest, EachFamilyHasItsDevicesAndItsPeers) {
  const IpAddress v4 = IpAddress::v4(192, 0, 2, 2);
  const IpAddress v6 = IpAddress::parse("2001:db8::2").value();
  const OverlayIngress all{.devices = {{"flannel.1", Family::v4}, {"flannel-v6.1", Family::v6}},
                           .underlay = "eth0",
                           .neighbours = {v4, v6}};
  EXPECT_EQ(of_family(all, Family::v4),
            (OverlayIngress{
                .devices = {{"flannel.1", Family::v4}}, .underlay = "eth0", .neighbours = {v4}}));
  EXPECT_EQ(of_family(all, Family::v6), (OverlayIngress{.devices = {{"flannel-v6.1", Family::v6}},
                                                        .underlay = "eth0",
                                                        .neighbours = {v6}}));
}

TEST_P(DockerRulesTest, WithoutUnwrappedPeersTheUnderlayStaysShut) {
  EXPECT_EQ(change(filter(kDocker28), wish({.underlay = "eth0"})), "");
}

TEST_P(DockerRulesTest, AnotherSubnetReplacesTheAcceptsAndLeavesThoseOfAnotherNetwork) {
  const std::string other =
      "-A FLANNEL-DOCKER -s 10.9.0.0/16 -d 10.9.3.0/24 -i flannel.9 -m comment --comment "
      "\"flanneld docker\" -j ACCEPT\n";
  std::string earlier = kAccept;
  earlier.replace(earlier.find("10.42.1.0"), 9, "10.42.7.0");
  EXPECT_EQ(change(filter(kDocker20 + kChain, "-A DOCKER-USER " + kJump + "\n" + earlier + other)),
            text("*filter\n" + kChain + other + kAccept + "COMMIT\n"));
  EXPECT_EQ(change(raw("-A PREROUTING " + kJump + "\n" + kAccept + other, kChain)),
            text("*raw\n" + kChain + other + "COMMIT\n"))
      << "Docker's drops are gone, the other network's accepts are not changed";
}

TEST_P(DockerRulesTest, WhereDockersRulesAreGoneOursGo) {
  EXPECT_EQ(change(raw("-A PREROUTING " + kJump + "\n" + kAccept, kChain) +
                   filter(kChain, kAccept) + nat("-A POSTROUTING " + kUnmasked + "\n")),
            text("*raw\n-D PREROUTING " + kJump +
                 "\n-F FLANNEL-DOCKER\n-X FLANNEL-DOCKER\nCOMMIT\n"
                 "*filter\n-F FLANNEL-DOCKER\n-X FLANNEL-DOCKER\nCOMMIT\n"
                 "*nat\n-D POSTROUTING " +
                 kUnmasked + "\nCOMMIT\n"));
}

TEST_P(DockerRulesTest, DockerMasqueradesNothingThatStaysInTheNetwork) {
  EXPECT_EQ(change(nat("-A POSTROUTING -j X\n" + kMasquerade)),
            text("*nat\n-I POSTROUTING 2 " + kUnmasked + "\nCOMMIT\n"));
  EXPECT_EQ(
      change(nat(kMasquerade + "-A POSTROUTING " + kUnmasked + "\n")),
      text("*nat\n-D POSTROUTING " + kUnmasked + "\n-I POSTROUTING 1 " + kUnmasked + "\nCOMMIT\n"))
      << "Docker puts its own first when it starts again";
  EXPECT_EQ(change(nat("-A POSTROUTING -s 172.18.0.0/16 ! -o br-1 -j MASQUERADE\n")), "");
}

TEST_P(DockerRulesTest, AnEarlierSubnetIsForgottenInNat) {
  std::string earlier = kUnmasked;
  earlier.replace(earlier.find("10.42.1.0"), 9, "10.42.7.0");
  EXPECT_EQ(
      change(nat("-A POSTROUTING " + earlier + "\n" + kMasquerade)),
      text("*nat\n-D POSTROUTING " + earlier + "\n-I POSTROUTING 1 " + kUnmasked + "\nCOMMIT\n"));
}

// A second daemon on the host, of another network, has its own there.
TEST_P(DockerRulesTest, ARemovalForOneNetworkLeavesTheOthers) {
  const std::string other =
      "-A FLANNEL-DOCKER -s 10.9.0.0/16 -d 10.9.3.0/24 -i flannel.9 -m comment --comment "
      "\"flanneld docker\" -j ACCEPT\n";
  const std::string others_unmasked =
      "-A POSTROUTING -s 10.9.3.0/24 -d 10.9.0.0/16 -m comment --comment \"flanneld docker\" -j "
      "ACCEPT\n";
  auto removal = [&](const std::string& saved) {
    return docker_removal(network, parse_iptables_tables(text(saved)));
  };
  const std::string jump = "-A PREROUTING " + kJump + "\n";
  EXPECT_EQ(removal(raw(jump + kAccept + other, kChain) +
                    filter(kDocker28 + kChain, kFilterDone + other) +
                    nat("-A POSTROUTING " + kUnmasked + "\n" + others_unmasked)),
            text("*raw\n" + kChain + other + "COMMIT\n*filter\n" + kChain + other +
                 "COMMIT\n*nat\n-D POSTROUTING " + kUnmasked + "\nCOMMIT\n"));
  EXPECT_EQ(removal(raw(jump + other, kChain) + nat(others_unmasked)), "");
  EXPECT_EQ(
      removal(raw(jump + kAccept, kChain)),
      text("*raw\n-D PREROUTING " + kJump + "\n-F FLANNEL-DOCKER\n-X FLANNEL-DOCKER\nCOMMIT\n"));
}

TEST_P(DockerRulesTest, ARemovalLeavesNothing) {
  const std::string forward_jump = R"(-m comment --comment "flanneld forward" -j FLANNEL-FWD)";
  const std::string saved = raw("-A PREROUTING " + kJump + "\n" + kDrop + kAccept, kChain) +
                            filter(kDocker20 + kChain + ":FLANNEL-FWD - [0:0]\n",
                                   kFilterDone + "-A FORWARD " + forward_jump + "\n") +
                            nat("-A POSTROUTING " + kUnmasked + "\n" + kMasquerade);
  EXPECT_EQ(removal_of_all(text(saved)),
            text("*filter\n-D FORWARD " + forward_jump +
                 "\n-F FLANNEL-FWD\n-X FLANNEL-FWD\nCOMMIT\n" + "*raw\n-D PREROUTING " + kJump +
                 "\n-F FLANNEL-DOCKER\n-X FLANNEL-DOCKER\nCOMMIT\n*filter\n-D DOCKER-USER " +
                 kJump + "\n-F FLANNEL-DOCKER\n-X FLANNEL-DOCKER\nCOMMIT\n*nat\n-D POSTROUTING " +
                 kUnmasked + "\nCOMMIT\n"));
  const std::string operators = R"(-m comment --comment "not \"flanneld docker\"" -j ACCEPT)";
  EXPECT_EQ(removal_of_all(raw(kDrop + "-A PREROUTING " + operators + "\n") +
                           nat(kMasquerade + "-A POSTROUTING " + operators + "\n" +
                               "-A OUTPUT -m comment --comment \"flanneld docker\" -j X\n")),
            "");
}

}  // namespace
}  // namespace flannel::docker_rules_test
