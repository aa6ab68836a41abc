// SPDX-License-Identifier: Apache-2.0
#include "backend/ipip.h"

#include <gtest/gtest.h>

namespace flannel::ipip_test {
namespace {

HostFacts host(std::uint32_t mtu = 1500) {
  HostFacts facts;
  const auto ip = IpAddress::v4(192, 0, 2, 1);
  facts.underlay = {
      .interface = "eth0", .interface_index = 2, .mtu = mtu, .v4 = UnderlayAddress{ip, ip}};
  return facts;
}

Result<MadeBackend> made(const std::string& backend, const Underlay& underlay = host().underlay,
                         const std::string& network = R"("Network":"10.5.0.0/16")") {
  const auto parsed = parse_network_config("{" + network + R"(,"Backend":)" + backend + "}");
  return make_backend(parsed.value().config, underlay);
}

std::unique_ptr<Backend> backend(const std::string& text) {
  return made(text).value().backend;
}

std::string refusal(const Result<MadeBackend>& result) {
  return result ? "none" : result.error().text;
}

Lease own(const Backend& by) {
  return {{IpPrefix::parse_v4("10.5.1.0/24").value(), {}}, by.announce(host(), nullptr)};
}

Lease peer(const char* type = "ipip") {
  Lease lease;
  lease.subnet.v4 = IpPrefix::parse_v4("10.5.2.0/24").value();
  lease.attributes.public_ip = IpAddress::v4(192, 0, 2, 2);
  lease.attributes.backend_type = type;
  return lease;
}

std::string planned(const std::string& text, const Lease& lease, bool on_link = false) {
  const auto by = backend(text);
  const PeerPath path{.carrier = lease.attributes.public_ip, .on_link = on_link};
  const auto state = by->peer_state(own(*by), lease, host(), path);
  return state ? dump(*state) : "refused: " + state.error().text;
}

TEST(IpipTest, MakesOneDeviceWithTheBaseOfTheLease) {
  const auto by = backend(R"({"Type":"ipip"})");
  EXPECT_EQ(dump(by->host_state(own(*by), host())),
            "link flannel.ipip ipip remote any local 192.0.2.1 mtu 1480 up\n"
            "addr 10.5.1.0/32 dev flannel.ipip\n");
  EXPECT_EQ(by->devices(host()),
            (std::vector<BackendDevice>{{.name = "flannel.ipip", .family = Family::v4}}));
}

// Upstream's lease has the type and no data.
TEST(IpipTest, AnnouncesItsTypeWithoutData) {
  const LeaseAttributes lease = backend(R"({"Type":"IPIP"})")->announce(host(), nullptr);
  EXPECT_EQ(encode_lease_value(lease),
            R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"ipip",)"
            R"("Backend":{"Type":"ipip","MTU":1480}})");
}

TEST(IpipTest, APeerIsAnOnlinkRouteByItsPublicIp) {
  EXPECT_EQ(planned(R"({"Type":"ipip"})", peer()),
            "route 10.5.2.0/24 via 192.0.2.2 dev flannel.ipip onlink\n");
}

TEST(IpipTest, DirectRoutingNeedsThePeerOnTheLink) {
  const std::string direct = R"({"Type":"ipip","DirectRouting":true})";
  EXPECT_EQ(planned(direct, peer(), true), "route 10.5.2.0/24 via 192.0.2.2 dev eth0\n");
  EXPECT_EQ(planned(direct, peer(), false), planned(R"({"Type":"ipip"})", peer()));
  EXPECT_EQ(planned(R"({"Type":"ipip"})", peer(), true), planned(R"({"Type":"ipip"})", peer()));
}

TEST(IpipTest, APeerThatIsNoneOfItsOwnIsRefused) {
  const std::string ipip = R"({"Type":"ipip"})";
  EXPECT_EQ(planned(ipip, peer("vxlan")),
            "refused: ignoring non-ipip subnet: it announces the backend \"vxlan\"");
  Lease same_host = peer();
  same_host.attributes.public_ip = host().underlay.v4->ip;
  EXPECT_EQ(planned(ipip, same_host), "refused: it announces our own public IP 192.0.2.1");
}

TEST(IpipTest, APeerWithASmallerMtuHasItOnItsRoute) {
  Lease small = peer();
  small.attributes.mtu = 1400;
  EXPECT_EQ(planned(R"({"Type":"ipip"})", small),
            "route 10.5.2.0/24 via 192.0.2.2 dev flannel.ipip onlink mtu 1400\n");
}

TEST(IpipTest, TheMtuIsThatOfTheUnderlayOrTheOptionWithoutTheOuterHeader) {
  EXPECT_EQ(backend(R"({"Type":"ipip"})")->overlay_mtu(host()), 1480U);
  EXPECT_EQ(backend(R"({"Type":"ipip","MTU":0})")->overlay_mtu(host()), 1480U);
  EXPECT_EQ(backend(R"({"Type":"ipip","MTU":1400})")->overlay_mtu(host()), 1380U);
  const MadeBackend large = made(R"({"Type":"ipip","MTU":9000})").value();
  EXPECT_EQ(large.backend->overlay_mtu(host()), 1480U);
  EXPECT_EQ(large.warnings,
            std::vector<std::string>{"MTU 9000 is more than eth0 has; 1500 is used"});
  EXPECT_EQ(refusal(made(R"({"Type":"ipip","MTU":500})")),
            "MTU 500 in the ipip backend's options: must be at least 596, or 0 for that of the "
            "underlay interface");
  EXPECT_NE(refusal(made(R"({"Type":"ipip"})", host(80).underlay)).find("adds 20 bytes"),
            std::string::npos);
}

TEST(IpipTest, TheOuterSourceIsTheInterfaceAddressAlsoBehindNat) {
  HostFacts natted = host();
  natted.underlay.v4->public_ip = IpAddress::v4(203, 0, 113, 5);
  const auto by = made(R"({"Type":"ipip"})", natted.underlay).value().backend;
  EXPECT_EQ(to_string(by->announce(natted, nullptr).public_ip), "203.0.113.5");
  const std::string text = dump(by->host_state(own(*by), natted));
  EXPECT_NE(text.find("local 192.0.2.1 "), std::string::npos) << text;
}

TEST(IpipTest, ANetworkOrAnUnderlayWithIpv6AloneIsRefused) {
  const std::string dual =
      R"("Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:5::/48")";
  const auto refused = made(R"({"Type":"ipip"})", host().underlay, dual);
  EXPECT_EQ(refusal(refused),
            "ipip carries IPv4 only, in this release as in upstream flannel: set EnableIPv6 to "
            "false, or use vxlan, host-gw or udp");
  Underlay six = host().underlay;
  six.v4.reset();
  EXPECT_EQ(refusal(made(R"({"Type":"ipip"})", six)),
            "ipip needs an IPv4 address on the underlay, and eth0 has none: use vxlan, host-gw or "
            "udp");
}

TEST(IpipTest, OptionsOfOtherBackendsHaveNoEffect) {
  EXPECT_EQ(made(R"({"Type":"ipip","VNI":1})").value().warnings,
            std::vector<std::string>{"unknown option VNI has no effect"});
}

}  // namespace
}  // namespace flannel::ipip_test
