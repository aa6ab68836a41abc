// SPDX-License-Identifier: Apache-2.0
#include "backend/extension.h"

#include <gtest/gtest.h>

namespace flannel::extension_test {
namespace {

constexpr const char* kHostGw =
    R"({"Type":"extension","SubnetAddCommand":"ip route add $SUBNET via $PUBLIC_IP",)"
    R"("SubnetRemoveCommand":"ip route del $SUBNET via $PUBLIC_IP"})";

HostFacts host() {
  HostFacts facts;
  const auto ip = IpAddress::v4(192, 0, 2, 1);
  facts.underlay = {
      .interface = "eth0", .interface_index = 2, .mtu = 1500, .v4 = UnderlayAddress{ip, ip}};
  return facts;
}

Result<MadeBackend> made(const std::string& backend) {
  const auto parsed =
      parse_network_config(R"({"Network":"10.5.0.0/16","Backend":)" + backend + "}");
  return make_backend(parsed.value().config, host().underlay);
}

std::string refusal(const std::string& backend) {
  const auto result = made(backend);
  return result ? "none" : result.error().text;
}

CommandSettings settings(const std::string& backend) {
  return std::get<CommandSettings>(made(backend).value().backend->companion(host()));
}

Lease peer(std::string data = {}) {
  Lease lease;
  lease.subnet.v4 = IpPrefix::parse_v4("10.5.2.0/24").value();
  lease.attributes.public_ip = IpAddress::v4(192, 0, 2, 2);
  lease.attributes.backend_type = "extension";
  lease.attributes.backend_data = std::move(data);
  return lease;
}

std::string planned(const Lease& lease) {
  const auto backend = made(kHostGw).value().backend;
  const Lease own{{IpPrefix::parse_v4("10.5.1.0/24").value(), {}},
                  backend->announce(host(), nullptr)};
  const auto state =
      backend->peer_state(own, lease, host(), {.carrier = lease.attributes.public_ip});
  return state ? "objects: " + dump(*state) : "refused: " + state.error().text;
}

TEST(ExtensionTest, HasTheCommandsOfTheConfiguration) {
  const CommandSettings all = settings(
      R"({"Type":"Extension","PreStartupCommand":"a","PostStartupCommand":"b","SubnetAddCommand":"c",)"
      R"("SubnetRemoveCommand":"d","ShutdownCommand":"e","CommandTimeout":5,"RemoveAtExit":true})");
  EXPECT_EQ(all.commands, (BackendCommands{"a", "b", "c", "d", "e"}));
  EXPECT_EQ(all.deadline, std::chrono::seconds(5));
  EXPECT_TRUE(all.remove_at_exit);
  const CommandSettings few = settings(kHostGw);
  EXPECT_EQ(few.commands.before_lease, "");
  EXPECT_EQ(few.deadline, std::chrono::seconds(30));
  EXPECT_FALSE(few.remove_at_exit);
}

TEST(ExtensionTest, WrongCommandsAreRefused) {
  EXPECT_NE(refusal(R"({"Type":"extension"})").find("needs a command"), std::string::npos);
  EXPECT_NE(refusal(R"({"Type":"extension","ShutdownCommand":"x"})").find("needs a command"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"Type":"extension","SubnetAddCommand":["ip"]})").find("must be a string"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"Type":"extension","SubnetAddCommand":"a\u0000b"})").find("NUL"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"Type":"extension","SubnetAddCommand":"x","CommandTimeout":3601})")
                .find("CommandTimeout"),
            std::string::npos);
  const std::string longest(65536, 'x');
  EXPECT_EQ(refusal(R"({"Type":"extension","SubnetAddCommand":")" + longest + "\"}"), "none");
  EXPECT_NE(refusal(R"({"Type":"extension","SubnetAddCommand":"x)" + longest + "\"}")
                .find("longer than 65536 bytes"),
            std::string::npos);
}

TEST(ExtensionTest, AnnouncesItsOutputAsUpstreamDoes) {
  const auto backend = made(kHostGw).value().backend;
  EXPECT_EQ(encode_lease_value(backend->announce(host(), nullptr)),
            R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"extension",)"
            R"("Backend":{"Type":"extension","MTU":1500}})");
  HostFacts with_output = host();
  with_output.startup_output = "02:00:00:00:00:01";
  EXPECT_EQ(encode_lease_value(backend->announce(with_output, nullptr)),
            R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"extension",)"
            R"("BackendData":"02:00:00:00:00:01","Backend":{"Type":"extension","MTU":1500}})");
}

TEST(ExtensionTest, TheMtuIsThatOfTheUnderlayOrTheOption) {
  EXPECT_EQ(made(kHostGw).value().backend->overlay_mtu(host()), 1500U);
  EXPECT_EQ(made(R"({"Type":"extension","SubnetAddCommand":"x","MTU":1450})")
                .value()
                .backend->overlay_mtu(host()),
            1450U);
}

TEST(ExtensionTest, APeerNeedsNoObjects) {
  EXPECT_EQ(planned(peer()), "objects: ");
  EXPECT_EQ(planned(peer(R"("02:00:00:00:00:02")")), "objects: ");
}

TEST(ExtensionTest, APeerOfAnotherKindIsRefused) {
  Lease vxlan = peer();
  vxlan.attributes.backend_type = "vxlan";
  EXPECT_NE(planned(vxlan).find("refused"), std::string::npos);
  EXPECT_NE(planned(peer(R"({"VNI":1})")).find("its BackendData is no text"), std::string::npos);
}

TEST(ExtensionTest, WhatIsAnnouncedHasNoWhiteSpaceAroundItAndFitsIntoALease) {
  EXPECT_EQ(announced_text(" \n a b\n\n").value(), "a b");
  EXPECT_EQ(announced_text("\n \n").value(), "");
  EXPECT_EQ(announced_text(std::string(4096, 'x') + "\n").value().size(), 4096U);
  EXPECT_NE(announced_text(std::string(4097, 'x')).error().text.find("4097 bytes"),
            std::string::npos);
  EXPECT_FALSE(announced_text("\xff\xfe"));
}

TEST(ExtensionTest, ThisHostsVariablesAreThoseOfUpstream) {
  Lease own = peer();
  own.subnet.v6 = IpPrefix::parse_v6("fd00:5:0:2::/64").value();
  own.attributes.public_ip6 = IpAddress::parse_v6("2001:db8::2").value();
  const IpPrefix v4 = IpPrefix::parse_v4("10.5.0.0/16").value();
  const IpPrefix v6 = IpPrefix::parse_v6("fd00:5::/48").value();
  EXPECT_EQ(host_variables({v4, v6}, own),
            (std::vector<std::string>{"SUBNET=10.5.2.0/24", "PUBLIC_IP=192.0.2.2",
                                      "IPV6SUBNET=fd00:5:0:2::/64", "PUBLIC_IPV6=2001:db8::2",
                                      "NETWORK=10.5.0.0/16", "IPV6NETWORK=fd00:5::/48"}));
  EXPECT_EQ(host_variables({v4}, own)[2], "IPV6SUBNET=") << "this network has no IPv6";
}

// A command line never has a text of another host: what it announces is read, not run.
TEST(ExtensionTest, WhatAPeerAnnouncesIsInputAlone) {
  const Lease hostile = peer(R"("$(reboot); `id`\n' \"")");
  const CommandPeer values = command_peer(hostile.subnet, hostile.attributes);
  EXPECT_EQ(values.input, "$(reboot); `id`\n' \"");
  EXPECT_EQ(values.variables, (std::vector<std::string>{"SUBNET=10.5.2.0/24", "PUBLIC_IP=192.0.2.2",
                                                        "IPV6SUBNET=", "PUBLIC_IPV6="}));
}

TEST(ExtensionTest, APeerWithIpv6AloneHasItsDataThere) {
  LeaseAttributes attributes;
  attributes.public_ip6 = IpAddress::parse_v6("2001:db8::2").value();
  attributes.backend_v6_data = R"("key")";
  SubnetKey subnets;
  subnets.v6 = IpPrefix::parse_v6("fd00:5:0:2::/64").value();
  const CommandPeer values = command_peer(subnets, attributes);
  EXPECT_EQ(values.input, "key");
  EXPECT_EQ(values.variables,
            (std::vector<std::string>{"SUBNET=", "PUBLIC_IP=", "IPV6SUBNET=fd00:5:0:2::/64",
                                      "PUBLIC_IPV6=2001:db8::2"}));
}

}  // namespace
}  // namespace flannel::extension_test
