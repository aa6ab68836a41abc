// SPDX-License-Identifier: Apache-2.0
// What the backends make of networks with IPv6: dual stack and IPv6 alone.
#include <gtest/gtest.h>

#include "core/announced_backend.h"

#include "backend/backend.h"
#include "backend/udp.h"
#include "backend/vxlan.h"

namespace flannel::families_test {
namespace {

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}

enum class Families { both, v6 };

NetworkConfig config(Families families, const std::string& backend) {
  const std::string head = families == Families::both
                               ? R"("Network":"10.5.0.0/16","EnableIPv6":true)"
                               : R"("EnableIPv4":false,"EnableIPv6":true)";
  const std::string text =
      "{" + head + R"(,"IPv6Network":"fd00:5::/48","Backend":)" + backend + "}";
  return parse_network_config(text).value().config;
}

HostFacts host(Families families) {
  HostFacts facts;
  facts.underlay = {.interface = "eth0", .interface_index = 2, .mtu = 1500};
  if (families == Families::both) {
    facts.underlay.v4 = UnderlayAddress{ip("192.0.2.1"), ip("192.0.2.1")};
  }
  facts.underlay.v6 = UnderlayAddress{ip("2001:db8::1"), ip("2001:db8::1")};
  facts.tun_device = "flannel0";
  return facts;
}

class FamiliesTest : public ::testing::TestWithParam<Families> {
 protected:
  Families families() const { return GetParam(); }
  bool has_v4() const { return families() == Families::both; }
  MadeBackend made(const std::string& backend) const {
    return make_backend(config(families(), backend), host(families()).underlay).value();
  }
  SubnetKey key(const char* v4, const char* v6) const {
    return {has_v4() ? std::optional(IpPrefix::parse_v4(v4).value()) : std::nullopt,
            IpPrefix::parse_v6(v6).value()};
  }
  Lease own(const Backend& backend) const {
    return {key("10.5.1.0/24", "fd00:5:0:1::/64"), backend.announce(host(families()), nullptr)};
  }
  Lease peer(const std::string& type) const {
    Lease lease{key("10.5.2.0/24", "fd00:5:0:2::/64"), {}};
    if (has_v4()) lease.attributes.public_ip = ip("192.0.2.2");
    lease.attributes.public_ip6 = ip("2001:db8::2");
    lease.attributes.backend_type = type;
    lease.attributes.backend_data = R"({"VNI":1,"VtepMAC":"02:00:00:00:00:02"})";
    lease.attributes.backend_v6_data = R"({"VNI":1,"VtepMAC":"02:00:00:00:06:02"})";
    return lease;
  }
  std::string planned(const Backend& backend, const Lease& peer, Family family,
                      bool on_link = false) const {
    const HostFacts facts = host(families());
    const auto carrier = backend.carrier(peer, family, facts);
    if (!carrier) return "no carrier: " + carrier.error().text;
    const PeerPath path{.family = family, .carrier = *carrier, .on_link = on_link};
    const auto state = backend.peer_state(own(backend), peer, facts, path);
    return state ? dump(*state) : "refused: " + state.error().text;
  }
};

INSTANTIATE_TEST_SUITE_P(Each, FamiliesTest, ::testing::Values(Families::both, Families::v6),
                         [](const auto& tested) {
                           return tested.param == Families::both ? "DualStack" : "IPv6Alone";
                         });

TEST_P(FamiliesTest, VxlanHasADeviceForEachFamily) {
  const auto backend = made(R"({"Type":"vxlan"})").backend;
  const Lease mine = own(*backend);
  const std::string text = dump(backend->host_state(mine, host(families())));
  EXPECT_NE(text.find("link flannel-v6.1 vxlan id 1 local 2001:db8::1 dev eth0 dstport 8472 "
                      "nolearning mtu 1430 mac "),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("addr fd00:5:0:1::/128 dev flannel-v6.1\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("link flannel.1 vxlan id 1 local 192.0.2.1 dev eth0 dstport 8472 "
                      "nolearning mtu 1450 mac ") != std::string::npos,
            has_v4())
      << text;
  EXPECT_EQ(device_names(*backend, host(families())).size(), has_v4() ? 2U : 1U);
  EXPECT_EQ(backend->overlay_mtu(host(families())), 1430U) << "fits through both devices";
  EXPECT_EQ(mine.attributes.public_ip6, ip("2001:db8::1"));
  EXPECT_EQ(mine.attributes.public_ip.is_unspecified(), !has_v4());
  EXPECT_EQ(mine.attributes.backend_data.empty(), !has_v4());
  EXPECT_NE(mine.attributes.backend_v6_data, mine.attributes.backend_data)
      << "each device has a MAC of its own";
}

TEST_P(FamiliesTest, AVxlanPeerIsReachedInEachFamilyByItsOwnDevice) {
  const auto backend = made(R"({"Type":"vxlan"})").backend;
  EXPECT_EQ(planned(*backend, peer("vxlan"), Family::v6),
            "neigh fd00:5:0:2:: dev flannel-v6.1 lladdr 02:00:00:00:06:02 nud permanent\n"
            "fdb 02:00:00:00:06:02 dev flannel-v6.1 dst 2001:db8::2 self permanent\n"
            "route fd00:5:0:2::/64 via fd00:5:0:2:: dev flannel-v6.1 onlink\n");
  if (!has_v4()) return;
  EXPECT_EQ(planned(*backend, peer("vxlan"), Family::v4),
            "neigh 10.5.2.0 dev flannel.1 lladdr 02:00:00:00:00:02 nud permanent\n"
            "fdb 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent\n"
            "route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n");
}

TEST_P(FamiliesTest, AVxlanPeerIsReachedByTheAddressThatBothHave) {
  const auto backend = made(R"({"Type":"vxlan"})").backend;
  Lease half = peer("vxlan");
  half.attributes.backend_v6_data.clear();
  EXPECT_EQ(planned(*backend, half, Family::v6), "refused: it announces no BackendData");
  half.attributes.public_ip = ip("192.0.2.2");
  half.attributes.public_ip6.reset();
  EXPECT_EQ(planned(*backend, half, Family::v6),
            has_v4() ? "addr fd00:5:0:1::/128 dev flannel.1\n"
                       "neigh fd00:5:0:2:: dev flannel.1 lladdr 02:00:00:00:00:02 nud permanent\n"
                       "fdb 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent\n"
                       "route fd00:5:0:2::/64 via fd00:5:0:2:: dev flannel.1 onlink\n"
                     : "no carrier: it and this host have no public addresses of one family: it "
                       "has 192.0.2.2, this host 2001:db8::1");
}

TEST_P(FamiliesTest, DirectRoutingIsForBothFamilies) {
  const auto backend = made(R"({"Type":"vxlan","DirectRouting":true})").backend;
  EXPECT_EQ(planned(*backend, peer("vxlan"), Family::v6, true),
            "route fd00:5:0:2::/64 via 2001:db8::2 dev eth0\n");
}

TEST_P(FamiliesTest, HostGwRoutesViaThePublicIpOfTheFamily) {
  const auto backend = made(R"({"Type":"host-gw"})").backend;
  EXPECT_EQ(planned(*backend, peer("host-gw"), Family::v6),
            "route fd00:5:0:2::/64 via 2001:db8::2 dev eth0\n");
  if (!has_v4()) return;
  Lease without_v4 = peer("host-gw");
  without_v4.attributes.public_ip = {};
  EXPECT_EQ(planned(*backend, without_v4, Family::v4),
            "route 10.5.2.0/24 via inet6 2001:db8::2 dev eth0\n");
}

TEST_P(FamiliesTest, UdpHasOneDeviceForBothFamiliesAndPrefersIPv4BetweenTheHosts) {
  const auto backend = made(R"({"Type":"udp"})").backend;
  const HostFacts facts = host(families());
  EXPECT_EQ(dump(backend->host_state(own(*backend), facts)),
            std::string("link flannel0 tun txqueuelen 500 mtu 1452 up\n") +
                (has_v4() ? "addr 10.5.1.0/16 dev flannel0\n" : "") +
                "addr fd00:5:0:1::/48 dev flannel0\n");
  EXPECT_EQ(packet_path_of(*backend, facts)->local.size(), has_v4() ? 2U : 1U);
  EXPECT_EQ(backend->carrier(peer(""), Family::v6, facts).value(),
            ip(has_v4() ? "192.0.2.2" : "2001:db8::2"));
  Lease only_v6 = peer("");
  only_v6.attributes.public_ip = {};
  EXPECT_EQ(backend->carrier(only_v6, Family::v6, facts).value(), ip("2001:db8::2"));
}

TEST_P(FamiliesTest, AnImpossiblePublicIPv6IsRefusedByName) {
  const auto backend = made(R"({"Type":"vxlan"})").backend;
  const auto reason = [&](const char* public_ip6) {
    Lease lease = peer("vxlan");
    lease.attributes.public_ip6 = ip(public_ip6);
    return planned(*backend, lease, Family::v6);
  };
  EXPECT_EQ(reason("2001:db8::1"), "refused: it announces our own public IP 2001:db8::1");
  EXPECT_EQ(reason("fe80::1"), "refused: its PublicIPv6 fe80::1 is no address of a host");
  EXPECT_EQ(reason("ff02::1"), "refused: its PublicIPv6 ff02::1 is no address of a host");
  EXPECT_EQ(reason("fd00:5:0:1::9").find("refused: its PublicIPv6 fd00:5:0:1::9 lies in our own"),
            0U);
  EXPECT_EQ(reason("fd00:5:0:2::9").find("refused: its subnet contains fd00:5:0:2::9"), 0U);
}

// A host of a network of both families whose underlay has one.
class HalfAHostTest : public ::testing::TestWithParam<Family> {
 protected:
  HalfAHostTest() { facts.underlay.at(GetParam() == Family::v4 ? Family::v6 : Family::v4).reset(); }
  static std::unique_ptr<Backend> made(const HostFacts& facts,
                                       const std::string& options = R"({"Type":"vxlan"})") {
    auto made = make_backend(config(Families::both, options), facts.underlay).value();
    return std::move(made.backend);
  }
  std::string planned(const std::string& options, Family family, bool on_link = false) const {
    const auto backend = made(facts, options);
    Lease peer{
        {IpPrefix::parse_v4("10.5.2.0/24").value(), IpPrefix::parse_v6("fd00:5:0:2::/64").value()},
        {.public_ip = ip("192.0.2.2"),
         .public_ip6 = ip("2001:db8::2"),
         .backend_type = "vxlan",
         .backend_data = R"({"VNI":1,"VtepMAC":"02:00:00:00:00:02"})",
         .backend_v6_data = R"({"VNI":1,"VtepMAC":"02:00:00:00:06:02"})"}};
    const auto carrier = backend->carrier(peer, family, facts);
    const PeerPath path{.family = family, .carrier = carrier.value(), .on_link = on_link};
    return dump(backend->peer_state(own(*backend), peer, facts, path).value());
  }
  Lease own(const Backend& backend) const {
    return {
        {IpPrefix::parse_v4("10.5.1.0/24").value(), IpPrefix::parse_v6("fd00:5:0:1::/64").value()},
        backend.announce(facts, nullptr)};
  }

  HostFacts facts = host(Families::both);
};

INSTANTIATE_TEST_SUITE_P(Each, HalfAHostTest, ::testing::Values(Family::v4, Family::v6),
                         [](const auto& tested) { return std::string(to_string(tested.param)); });

TEST_P(HalfAHostTest, OneVxlanDeviceCarriesBothFamilies) {
  const auto backend = made(facts);
  const bool v4 = GetParam() == Family::v4;
  const std::string device = v4 ? "flannel.1" : "flannel-v6.1";
  const std::string text = dump(backend->host_state(own(*backend), facts));
  EXPECT_NE(text.find("addr 10.5.1.0/32 dev " + device + "\n"), std::string::npos) << text;
  EXPECT_NE(text.find("addr fd00:5:0:1::/128 dev " + device + "\n"), std::string::npos) << text;
  EXPECT_EQ(text.find(v4 ? "flannel-v6.1" : "flannel.1"), std::string::npos) << text;
  EXPECT_EQ(backend->overlay_mtu(facts), 1430U) << "fits the devices of every host";
  for (const auto& [family, subnet] :
       {std::pair(Family::v4, "10.5.2.0"), {Family::v6, "fd00:5:0:2::"}}) {
    const std::string rows = planned(R"({"Type":"vxlan"})", family);
    EXPECT_NE(rows.find(std::string("neigh ") + subnet + " dev " + device + " lladdr " +
                        (v4 ? "02:00:00:00:00:02" : "02:00:00:00:06:02")),
              std::string::npos)
        << rows;
    EXPECT_NE(rows.find(v4 ? "dst 192.0.2.2 self" : "dst 2001:db8::2 self"), std::string::npos)
        << rows;
  }
}

// Upstream drops a peer without data of each family of the network, and crashes without PublicIPv6.
TEST_P(HalfAHostTest, ItAnnouncesWhatUpstreamReadsWithoutHarm) {
  const auto backend = made(facts);
  const LeaseAttributes announced = backend->announce(facts, nullptr);
  EXPECT_EQ(announced.backend_data, announced.backend_v6_data);
  EXPECT_FALSE(announced.backend_data.empty());
  const std::string value = encode_lease_value(announced);
  const char* addresses = GetParam() == Family::v4
                              ? R"({"PublicIP":"192.0.2.1","PublicIPv6":"::",)"
                              : R"({"PublicIP":"0.0.0.0","PublicIPv6":"2001:db8::1",)";
  EXPECT_EQ(value.find(addresses), 0U) << value;
  EXPECT_EQ(decode_lease_value(value)->public_ips(), public_ips_of(facts.underlay));

  // The other device gets a MAC of its own once there is one.
  const Lease previous{own(*backend).subnet, announced};
  const HostFacts whole = host(Families::both);
  const auto later = made(whole);
  const LeaseAttributes both = later->announce(whole, &previous);
  EXPECT_EQ(both.data(GetParam()), announced.backend_data);
  EXPECT_NE(both.backend_data, both.backend_v6_data);
}

TEST_P(HalfAHostTest, DirectRoutingNeedsAGatewayThatLinuxTakes) {
  const std::string options = R"({"Type":"vxlan","DirectRouting":true})";
  const bool v4 = GetParam() == Family::v4;
  EXPECT_EQ(planned(options, Family::v4, true),
            v4 ? "route 10.5.2.0/24 via 192.0.2.2 dev eth0\n"
               : "route 10.5.2.0/24 via inet6 2001:db8::2 dev eth0\n");
  const std::string v6 = planned(options, Family::v6, true);
  if (v4) {
    EXPECT_NE(v6.find("route fd00:5:0:2::/64 via fd00:5:0:2:: dev flannel.1 onlink"),
              std::string::npos)
        << v6;
  } else {
    EXPECT_EQ(v6, "route fd00:5:0:2::/64 via 2001:db8::2 dev eth0\n");
  }
}

TEST(FamiliesOptionsTest, AnUnderlayOfAnotherFamilyThanTheNetworkMustBeNamedByAnAddress) {
  const NetworkConfig v6 = config(Families::v6, R"({"Type":"vxlan"})");
  const auto asked = [&](UnderlayRequest request) {
    request = request_for(v6, std::move(request));
    return std::pair(request.v4, request.v6);
  };
  const std::pair only_v6(Need::none, Need::required), either(Need::wanted, Need::wanted);
  EXPECT_EQ(asked({}), only_v6);
  EXPECT_EQ(asked({.interfaces = {"eth0", "2001:db8::1"}}), only_v6);
  EXPECT_EQ(asked({.public_ip = "192.0.2.1"}), either);
  EXPECT_EQ(asked({.interfaces = {"192.0.2.1"}}), either);
  EXPECT_EQ(asked({.can_reach = "192.0.2.1"}), either);
  EXPECT_EQ(request_for(config(Families::both, R"({"Type":"vxlan"})"), {}).v4, Need::wanted);
}

TEST(FamiliesOptionsTest, VxlanCarriesANetworkOfOneFamilyOverTheOther) {
  HostFacts facts = host(Families::both);
  facts.underlay.v6.reset();
  const auto made =
      make_backend(config(Families::v6, R"({"Type":"vxlan"})"), facts.underlay).value();
  const Lease own{SubnetKey::of(IpPrefix::parse_v6("fd00:5:0:1::/64").value()),
                  made.backend->announce(facts, nullptr)};
  EXPECT_EQ(own.attributes.public_ip, ip("192.0.2.1"));
  const std::string text = dump(made.backend->host_state(own, facts));
  EXPECT_EQ(text.find("link flannel.1 vxlan id 1 local 192.0.2.1"), 0U) << text;
  EXPECT_NE(text.find("addr fd00:5:0:1::/128 dev flannel.1\n"), std::string::npos) << text;
}

TEST(FamiliesOptionsTest, IPv6LimitsTheVniAndTheUnderlay) {
  const auto refused = [](const std::string& backend, std::uint32_t mtu) {
    Underlay underlay = host(Families::both).underlay;
    underlay.mtu = mtu;
    const auto made = make_backend(config(Families::both, backend), underlay);
    return made ? "no error" : made.error().text;
  };
  EXPECT_EQ(refused(R"({"Type":"vxlan","VNI":9999})", 1500), "no error");
  EXPECT_EQ(refused(R"({"Type":"vxlan","VNI":10000})", 1500),
            "VNI 10000 in the vxlan backend's options: must be at most 9999: "
            "the name of the device, flannel-v6.10000, may have 15 characters");
  EXPECT_EQ(refused(R"({"Type":"vxlan"})", 1350), "no error");
  EXPECT_EQ(refused(R"({"Type":"vxlan"})", 1349),
            "vxlan adds 70 bytes to a packet, and eth0 takes only 1349; IPv6 needs 1280 bytes "
            "(RFC 8200, section 5)");
  EXPECT_EQ(refused(R"({"Type":"udp"})", 1327).find("udp adds 48 bytes"), 0U);
  EXPECT_EQ(refused(R"({"Type":"vxlan","MTU":1350})", 1500), "no error");
  EXPECT_EQ(refused(R"({"Type":"vxlan","MTU":1349})", 1500),
            "MTU 1349 in the vxlan backend's options: must be at least 1350, or 0 for that of the "
            "underlay interface: 70 bytes are added, and IPv6 needs 1280");
}

TEST_P(FamiliesTest, AllObjectsOfASecondDeviceAreOnIt) {
  const auto backend = made(R"({"Type":"vxlan"})").backend;
  HostFacts facts = host(families());
  const Lease mine = own(*backend), theirs = peer("vxlan");
  const auto all = [&] {
    NetState state = backend->host_state(mine, facts);
    for (const Family family :
         has_v4() ? std::vector{Family::v4, Family::v6} : std::vector{Family::v6}) {
      const PeerPath path{.family = family,
                          .carrier = backend->carrier(theirs, family, facts).value()};
      state = joined(std::move(state), backend->peer_state(mine, theirs, facts, path).value());
    }
    return dump(state);
  };
  std::string first = all();
  facts.device_number = 2;
  const std::string second = all();
  for (std::size_t at; (at = first.find("flannel")) != std::string::npos;)
    first.replace(at, 7, "fl2");
  EXPECT_EQ(second, first);
  EXPECT_EQ(device_names(*backend, facts).front(), has_v4() ? "fl2.1" : "fl2-v6.1");
}

TEST(AnnouncedBackendTest, MakesTheBackendOfAPeer) {
  const AnnouncedBackend theirs{.type = "vxlan", .vni = 7, .port = 4789};
  const NetworkConfig network = config(Families::both, R"({"Type":"udp"})");
  const Underlay underlay = host(Families::both).underlay;
  const auto made = make_backend(with_backend(network, theirs), underlay);
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ(made->backend->announced(), theirs);
  EXPECT_FALSE(make_backend(with_backend(network, {.type = R"(x","VNI":1,"y":")"}), underlay));
}

}  // namespace
}  // namespace flannel::families_test
