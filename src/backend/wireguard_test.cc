// SPDX-License-Identifier: Apache-2.0
#include "backend/wireguard.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace flannel::wireguard_backend_test {
namespace {

// The texts of keys whose bytes are all 1, and all 2.
constexpr const char* kOurs = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
constexpr const char* kTheirs = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
constexpr const char* kPreshared = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=";

constexpr std::string_view kV4 = R"("Network":"10.5.0.0/16")";
constexpr std::string_view kV6 =
    R"("EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00:5::/48")";
constexpr std::string_view kDual =
    R"("Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:5::/48")";

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}

HostFacts host(std::uint32_t mtu = 1500) {
  HostFacts facts;
  const IpAddress v4 = ip("192.0.2.1"), v6 = ip("2001:db8::1");
  facts.underlay = {.interface = "eth0",
                    .interface_index = 2,
                    .mtu = mtu,
                    .v4 = UnderlayAddress{v4, v4},
                    .v6 = UnderlayAddress{v6, v6}};
  facts.wireguard = WireguardIdentity{WireguardKey::parse(kOurs).value(), {}};
  return facts;
}

Result<MadeBackend> made(const std::string& options, std::string_view network = kV4,
                         std::uint32_t mtu = 1500) {
  const auto parsed =
      parse_network_config(fmt::format(R"({{{},"Backend":{{"Type":"wireguard"{}}}}})", network,
                                       options.empty() ? "" : "," + options));
  return make_backend(parsed.value().config, host(mtu).underlay);
}

std::unique_ptr<Backend> backend(const std::string& options = "", std::string_view network = kV4) {
  return made(options, network).value().backend;
}

std::string refusal(const std::string& options, std::string_view network = kV4,
                    std::uint32_t mtu = 1500) {
  const auto result = made(options, network, mtu);
  return result ? "none" : result.error().text;
}

// A lease with a subnet of each family that `network` has.
Lease with_subnets(std::string_view network, const char* v4, const char* v6) {
  Lease lease;
  if (network != kV6) lease.subnet.v4 = IpPrefix::parse(v4).value();
  if (network != kV4) lease.subnet.v6 = IpPrefix::parse(v6).value();
  return lease;
}

Lease own(const Backend& by, std::string_view network = kV4) {
  Lease lease = with_subnets(network, "10.5.1.0/24", "fd00:5:0:1::/64");
  lease.attributes = by.announce(host(), nullptr);
  return lease;
}

Lease peer(std::string_view network = kV4) {
  Lease lease = with_subnets(network, "10.5.2.0/24", "fd00:5:0:2::/64");
  lease.attributes.public_ip = ip("192.0.2.2");
  lease.attributes.backend_type = "wireguard";
  const auto key = WireguardKey::parse(kTheirs).value();
  if (network != kV6) lease.attributes.backend_data = encode_wireguard_data({key, 1004});
  if (network != kV4) {
    lease.attributes.public_ip6 = ip("2001:db8::2");
    lease.attributes.backend_v6_data = encode_wireguard_data({key, 1006});
  }
  return lease;
}

// As the agent plans a subnet of the peer.
std::string planned(const Backend& by, const Lease& lease, Family family,
                    std::string_view network = kV4, const HostFacts& facts = host()) {
  const auto carrier = by.carrier(lease, family, facts);
  if (!carrier) return "refused: " + carrier.error().text;
  const auto state =
      by.peer_state(own(by, network), lease, facts, {.family = family, .carrier = *carrier});
  return state ? dump(*state) : "refused: " + state.error().text;
}

std::string peer_line(const std::string& rest) {
  return fmt::format("wg peer {} dev {}\n", kTheirs, rest);
}

TEST(WireguardTest, TheDeviceHasTheNetworkAndABlackholeBehindIt) {
  const auto by = backend();
  EXPECT_EQ(dump(by->host_state(own(*by), host())),
            fmt::format("link flannel-wg wireguard public-key {} listen-port 51820 mtu 1420 up\n"
                        "addr 10.5.1.0/32 dev flannel-wg\n"
                        "route 10.5.0.0/16 dev flannel-wg\n"
                        "blackhole 10.5.0.0/16\n",
                        kOurs));
}

TEST(WireguardTest, EachFamilyHasItsDevice) {
  const auto by = backend("", kDual);
  EXPECT_EQ(
      dump(by->host_state(own(*by, kDual), host())),
      fmt::format("link flannel-wg wireguard public-key {0} listen-port 51820 mtu 1420 up\n"
                  "link flannel-wg-v6 wireguard public-key {0} listen-port 51821 mtu 1420 up\n"
                  "addr 10.5.1.0/32 dev flannel-wg\n"
                  "addr fd00:5:0:1::/128 dev flannel-wg-v6\n"
                  "route 10.5.0.0/16 dev flannel-wg\n"
                  "blackhole 10.5.0.0/16\n"
                  "route fd00:5::/48 dev flannel-wg-v6\n"
                  "blackhole fd00:5::/48\n",
                  kOurs));
  EXPECT_EQ(by->devices(host()), (std::vector<BackendDevice>{{"flannel-wg", Family::v4},
                                                             {"flannel-wg-v6", Family::v6}}));
}

// Upstream crashes, or routes everything to its device, where a family is not set.
TEST(WireguardTest, OneDeviceRoutesOnlyTheFamiliesThatTheNetworkHas) {
  for (const char* mode : {"auto", "ipv4", "ipv6"}) {
    const std::string options = fmt::format(R"("Mode":"{}")", mode);
    const auto dual = backend(options, kDual);
    const std::string both = dump(dual->host_state(own(*dual, kDual), host()));
    EXPECT_NE(both.find("addr fd00:5:0:1::/128 dev flannel-wg\n"), std::string::npos) << both;
    EXPECT_EQ(both.find("flannel-wg-v6"), std::string::npos) << both;
    for (const std::string_view network : {kV4, kV6}) {
      const auto by = backend(options, network);
      const std::string one = dump(by->host_state(own(*by, network), host()));
      EXPECT_EQ(one.find("/0"), std::string::npos) << one;
      EXPECT_EQ(one.find(network == kV4 ? "fd00" : "10.5"), std::string::npos) << one;
    }
  }
}

TEST(WireguardTest, AnAddressInUseInTheNetworkMakesRoutesForEachPeer) {
  const auto by = backend();
  HostFacts facts = host();
  facts.route_each_peer = true;
  EXPECT_EQ(dump(by->host_state(own(*by), facts)).find("10.5.0.0/16"), std::string::npos);
  EXPECT_EQ(planned(*by, peer(), Family::v4, kV4, facts),
            peer_line("flannel-wg endpoint 192.0.2.2:1004 allowed-ips 10.5.2.0/24") +
                "route 10.5.2.0/24 dev flannel-wg\n");
}

TEST(WireguardTest, AnnouncesKeyAndPortAsUpstream) {
  EXPECT_EQ(
      encode_lease_value(backend(R"("ListenPort":4500)", kDual)->announce(host(), nullptr)),
      fmt::format(R"({{"PublicIP":"192.0.2.1","PublicIPv6":"2001:db8::1",)"
                  R"("BackendType":"wireguard","BackendData":{{"PublicKey":"{0}","Port":4500}},)"
                  R"("BackendV6Data":{{"PublicKey":"{0}","Port":51821}},)"
                  R"("Backend":{{"Type":"wireguard","MTU":1420}}}})",
                  kOurs));
}

// Upstream crashes without an address that it sends to, and in the mode auto may take one that is
// unspecified.
TEST(WireguardTest, AnAddressThatThisHostLacksIsAnnouncedWhereUpstreamNeedsOne) {
  HostFacts lacking = host();
  lacking.underlay.v6.reset();
  const auto announced = [&lacking](const std::string& mode) {
    const auto by = backend(fmt::format(R"("Mode":"{}")", mode), kDual);
    const auto& address = by->announce(lacking, nullptr).public_ip6;
    return address ? to_string(*address) : "none";
  };
  EXPECT_EQ(announced("separate"), "::");
  EXPECT_EQ(announced("ipv6"), "::");
  EXPECT_EQ(announced("auto"), "none");
  EXPECT_EQ(announced("ipv4"), "none");
}

// As upstream, whose one device listens on ListenPort.
TEST(WireguardTest, OneDeviceAnnouncesOnePortForBothFamilies) {
  for (const char* mode : {"auto", "ipv4", "ipv6"}) {
    const auto by = backend(fmt::format(R"("Mode":"{}","ListenPort":4500)", mode), kDual);
    const LeaseAttributes announced = by->announce(host(), nullptr);
    for (const Family family : kFamilies)
      EXPECT_EQ(decode_wireguard_data(announced.data(family))->port, 4500) << mode;
  }
}

TEST(WireguardTest, APeerIsReachedAtItsOwnPort) {
  const auto by = backend("", kDual);
  EXPECT_EQ(planned(*by, peer(kDual), Family::v4, kDual),
            peer_line("flannel-wg endpoint 192.0.2.2:1004 allowed-ips 10.5.2.0/24"));
  EXPECT_EQ(planned(*by, peer(kDual), Family::v6, kDual),
            peer_line("flannel-wg-v6 endpoint [2001:db8::2]:1006 allowed-ips fd00:5:0:2::/64"));
  EXPECT_EQ(by->tunnel_port(peer(kDual), ip("2001:db8::2")), 1006);
}

// Releases of upstream before v0.26.6.
TEST(WireguardTest, APeerThatNamesNoPortHasOurs) {
  Lease old = peer();
  old.attributes.backend_data = fmt::format(R"({{"PublicKey":"{}"}})", kTheirs);
  EXPECT_EQ(planned(*backend(R"("ListenPort":4500)"), old, Family::v4),
            peer_line("flannel-wg endpoint 192.0.2.2:4500 allowed-ips 10.5.2.0/24"));
}

TEST(WireguardTest, OneDeviceHasOnePeerForBothFamilies) {
  const std::string subnets = " allowed-ips 10.5.2.0/24,fd00:5:0:2::/64";
  const auto endpoint = [&](const char* mode, Family family, const Lease& lease) {
    return planned(*backend(fmt::format(R"("Mode":"{}")", mode), kDual), lease, family, kDual);
  };
  for (const Family family : kFamilies) {
    EXPECT_EQ(endpoint("ipv4", family, peer(kDual)),
              peer_line("flannel-wg endpoint 192.0.2.2:1004" + subnets));
    EXPECT_EQ(endpoint("ipv6", family, peer(kDual)),
              peer_line("flannel-wg endpoint [2001:db8::2]:1006" + subnets));
    EXPECT_EQ(endpoint("auto", family, peer(kDual)),
              peer_line("flannel-wg endpoint 192.0.2.2:1004" + subnets));
    Lease behind_nat = peer(kDual);
    behind_nat.attributes.public_ip = ip("192.168.7.2");
    EXPECT_EQ(endpoint("auto", family, behind_nat),
              peer_line("flannel-wg endpoint [2001:db8::2]:1006" + subnets));
    behind_nat.attributes.public_ip6 = ip("fd00::2");
    EXPECT_EQ(endpoint("auto", family, behind_nat),
              peer_line("flannel-wg endpoint 192.168.7.2:1004" + subnets));
    Lease without_v6 = peer(kDual);
    without_v6.attributes.public_ip6.reset();
    EXPECT_EQ(endpoint("ipv6", family, without_v6), "refused: it has no public IPv6 address");
  }
}

TEST(WireguardTest, OptionsOfPeersAreThoseOfAll) {
  const std::string options =
      fmt::format(R"("psk":"{}","persistentkeepaliveinterval":25)", kPreshared);
  EXPECT_EQ(planned(*backend(options), peer(), Family::v4),
            peer_line("flannel-wg endpoint 192.0.2.2:1004 allowed-ips 10.5.2.0/24 "
                      "persistent-keepalive 25 preshared-key (hidden)"));
}

TEST(WireguardTest, APeerWithASmallerMtuHasARouteOfItsOwn) {
  Lease small = peer();
  small.attributes.mtu = 1300;
  small.attributes.backend = AnnouncedBackend{.type = "wireguard"};
  EXPECT_EQ(planned(*backend(), small, Family::v4),
            peer_line("flannel-wg endpoint 192.0.2.2:1004 allowed-ips 10.5.2.0/24") +
                "route 10.5.2.0/24 dev flannel-wg mtu 1300\n");
}

TEST(WireguardTest, APeerWithoutAUsableKeyIsRefused) {
  const auto refused = [](const std::string& data) {
    Lease lease = peer();
    lease.attributes.backend_data = data;
    return planned(*backend(), lease, Family::v4);
  };
  EXPECT_EQ(refused(""), "refused: it announces no BackendData");
  EXPECT_EQ(refused("{}"), "refused: BackendData has no PublicKey");
  EXPECT_EQ(refused(R"({"PublicKey":"x"})"),
            "refused: PublicKey \"x\" in BackendData: must be the base64 text of 32 bytes, as \"wg "
            "genkey\" writes");
  EXPECT_EQ(refused(encode_wireguard_data({WireguardKey::parse(kOurs).value(), 1})),
            "refused: it announces our own public key: one of the two hosts has a copy of the "
            "other's key file; `flannelctl wireguard rotate` on one of them makes another key");
  Lease other = peer();
  other.attributes.backend_type = "vxlan";
  EXPECT_EQ(planned(*backend(), other, Family::v4),
            "refused: ignoring non-wireguard subnet: it announces the backend \"vxlan\"");
}

// A key that only one family has could belong to another host.
TEST(WireguardTest, APeerWithTwoKeysIsRefused) {
  Lease lease = peer(kDual);
  EXPECT_EQ(announced_wireguard_key(lease.attributes), WireguardKey::parse(kTheirs).value());
  lease.attributes.backend_v6_data =
      encode_wireguard_data({WireguardKey::parse(kPreshared).value(), 1006});
  for (const Family family : kFamilies) {
    EXPECT_EQ(planned(*backend("", kDual), lease, family, kDual),
              "refused: it announces one public key for IPv4 and another one for IPv6, which no "
              "flannel does");
  }
  EXPECT_EQ(announced_wireguard_key(lease.attributes), std::nullopt);
}

TEST(WireguardTest, WrongOptionsAreRefusedWithoutThePsk) {
  EXPECT_EQ(
      refusal(R"("Mode":"Auto")"),
      "Mode \"Auto\" in the wireguard backend's options: must be separate, auto, ipv4 or ipv6");
  EXPECT_EQ(refusal(R"("PSK":["secret"])").find("secret"), std::string::npos);
  EXPECT_EQ(refusal(R"("PSK":"secret")"),
            "PSK in the wireguard backend's options: must be the base64 text of 32 bytes, as \"wg "
            "genkey\" writes");
  EXPECT_NE(refusal(R"("ListenPort":0)"), "none");
  EXPECT_NE(refusal(R"("MTU":600)"), "none");
  EXPECT_NE(refusal(R"("MTU":1300)", kDual), "none");
  EXPECT_EQ(refusal(R"("ListenPort":51821)"), "none");
  EXPECT_EQ(
      refusal(R"("ListenPort":51821)", kDual),
      "ListenPort and ListenPortV6 in the wireguard backend's options are both 51821, and two "
      "devices need two ports");
  EXPECT_EQ(refusal(R"("ListenPort":51821,"Mode":"auto")", kDual), "none");
  EXPECT_EQ(refusal("", kDual, 1300),
            "wireguard adds 80 bytes to a packet, and eth0 takes only 1300; IPv6 needs 1280 bytes "
            "(RFC 8200, section 5)");
}

TEST(WireguardTest, ThereIsNoFallback) {
  EXPECT_EQ(refusal(R"("Fallback":"vxlan")")
                .find("Fallback in the wireguard backend's options: "
                      "there is none, because packets would travel in "
                      "clear"),
            0U);
}

TEST(WireguardTest, TheLogHasOptionsAndNoSecret) {
  const auto result = made(fmt::format(R"("PSK":"{}","Colour":1)", kPreshared)).value();
  EXPECT_EQ(result.options,
            "WIREGUARD config: Mode=separate ListenPort=51820 ListenPortV6=51821 "
            "PersistentKeepaliveInterval=0 PSK=(hidden)");
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_EQ(result.warnings[0].find(kPreshared), std::string::npos);
}

}  // namespace
}  // namespace flannel::wireguard_backend_test
