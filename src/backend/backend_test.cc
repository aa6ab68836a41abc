// SPDX-License-Identifier: Apache-2.0
#include "backend/backend.h"

#include <gtest/gtest.h>

#include "backend/vxlan.h"

namespace flannel::backend_test {
namespace {

constexpr const char* kMacOf2 = "02:00:00:00:00:02";

HostFacts host() {
  HostFacts facts;
  const auto ip = IpAddress::v4(192, 0, 2, 1);
  facts.underlay = {
      .interface = "eth0", .interface_index = 2, .mtu = 1500, .v4 = UnderlayAddress{ip, ip}};
  facts.node_id.bytes[3] = 9;
  return facts;
}

NetworkConfig config(const std::string& backend) {
  return parse_network_config(R"({"Network":"10.5.0.0/16","Backend":)" + backend + "}")
      .value()
      .config;
}

Result<MadeBackend> made(const std::string& backend) {
  return make_backend(config(backend), host().underlay);
}

Lease lease(const char* subnet, const char* ip, const char* type, std::string data = {}) {
  Lease made_lease;
  made_lease.subnet.v4 = IpPrefix::parse_v4(subnet).value();
  made_lease.attributes.public_ip = IpAddress::parse_v4(ip).value();
  made_lease.attributes.backend_type = type;
  made_lease.attributes.backend_data = std::move(data);
  return made_lease;
}

Lease vxlan_peer(std::string data = R"({"VNI":1,"VtepMAC":"02:00:00:00:00:02"})") {
  return lease("10.5.2.0/24", "192.0.2.2", "vxlan", std::move(data));
}

Lease own(const Backend& backend) {
  return {{IpPrefix::parse_v4("10.5.1.0/24").value(), {}}, backend.announce(host(), nullptr)};
}

std::string planned(const std::string& backend_json, const Lease& peer, bool on_link = false) {
  const auto backend = made(backend_json).value().backend;
  const PeerPath path{.carrier = peer.attributes.public_ip, .on_link = on_link};
  const auto state = backend->peer_state(own(*backend), peer, host(), path);
  return state ? dump(*state) : "refused: " + state.error().text;
}

TEST(VxlanTest, MakesADeviceOnTheUnderlayWithTheBaseOfTheLease) {
  const auto backend = made(R"({"Type":"vxlan"})").value().backend;
  const Lease mine = own(*backend);
  const std::string mac = to_string(vtep_mac(host().node_id, 1));
  EXPECT_EQ(dump(backend->host_state(mine, host())),
            "link flannel.1 vxlan id 1 local 192.0.2.1 dev eth0 dstport 8472 nolearning mtu 1450 "
            "mac " +
                mac +
                " up\n"
                "addr 10.5.1.0/32 dev flannel.1\n");
  EXPECT_EQ(mine.attributes.backend_data, R"({"VNI":1,"VtepMAC":")" + mac + "\"}");
  EXPECT_EQ(backend->overlay_mtu(host()), 1450U);
}

TEST(VxlanTest, OptionsReachTheDevice) {
  const auto backend = made(R"({"Type":"VXLAN","vni":42,"PORT":4789,"GBP":true,"Learning":true,
                                "MTU":1400})")
                           .value()
                           .backend;
  const std::string text = dump(backend->host_state(own(*backend), host()));
  for (const char* part : {"link flannel.42 vxlan id 42", "dstport 4789", "gbp", "mtu 1350"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  }
  EXPECT_EQ(text.find("nolearning"), std::string::npos) << text;
}

TEST(VxlanTest, ZeroMeansTheDefaultOfPortAndMtu) {
  const auto zero = made(R"({"Type":"vxlan","Port":0,"MTU":0})").value().backend;
  const auto absent = made(R"({"Type":"vxlan"})").value().backend;
  EXPECT_EQ(zero->host_state(own(*zero), host()), absent->host_state(own(*absent), host()));
}

TEST(VxlanTest, TheDeviceHasTheMacThatItsLeaseAnnounces) {
  const auto backend = made(R"({"Type":"vxlan"})").value().backend;
  Lease mine = own(*backend);
  mine.attributes = vxlan_peer().attributes;
  const std::string text = dump(backend->host_state(mine, host()));
  EXPECT_NE(text.find(std::string("mac ") + kMacOf2), std::string::npos) << text;
}

TEST(VxlanTest, TheOuterSourceIsTheInterfaceAddressAlsoBehindNat) {
  HostFacts natted = host();
  natted.underlay.v4->public_ip = IpAddress::v4(203, 0, 113, 5);
  const auto backend = make_backend(config(R"({"Type":"vxlan"})"), natted.underlay).value().backend;
  const LeaseAttributes announced = backend->announce(natted, nullptr);
  EXPECT_EQ(to_string(announced.public_ip), "203.0.113.5");
  const std::string text = dump(
      backend->host_state({{IpPrefix::parse_v4("10.5.1.0/24").value(), {}}, announced}, natted));
  EXPECT_NE(text.find("local 192.0.2.1 "), std::string::npos) << text;
}

TEST(VxlanTest, APeerIsANeighbourAnFdbEntryAndAnOnlinkRoute) {
  EXPECT_EQ(planned(R"({"Type":"vxlan"})", vxlan_peer()),
            "neigh 10.5.2.0 dev flannel.1 lladdr 02:00:00:00:00:02 nud permanent\n"
            "fdb 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent\n"
            "route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n");
}

TEST(VxlanTest, OlderReleasesWriteNoVniAndOtherMacForms) {
  EXPECT_EQ(planned(R"({"Type":"vxlan"})", vxlan_peer(R"({"VtepMAC":"02-00-00-00-00-02"})")),
            planned(R"({"Type":"vxlan"})", vxlan_peer()));
}

TEST(VxlanTest, DirectRoutingNeedsThePeerOnTheLink) {
  const std::string direct = R"({"Type":"vxlan","DirectRouting":true})";
  EXPECT_EQ(planned(direct, vxlan_peer(), true), "route 10.5.2.0/24 via 192.0.2.2 dev eth0\n");
  EXPECT_EQ(planned(direct, vxlan_peer(), false), planned(R"({"Type":"vxlan"})", vxlan_peer()));
  EXPECT_EQ(planned(R"({"Type":"vxlan"})", vxlan_peer(), true),
            planned(R"({"Type":"vxlan"})", vxlan_peer()));
}

TEST(VxlanTest, AnnouncesTheMacThatPeersAlreadyKnow) {
  const auto backend = made(R"({"Type":"vxlan"})").value().backend;
  Lease earlier = vxlan_peer();
  EXPECT_NE(backend->announce(host(), &earlier).backend_data.find(kMacOf2), std::string::npos);
  earlier.attributes.backend_data = R"({"VtepMAC":"02:00:00:00:00:02"})";
  EXPECT_NE(backend->announce(host(), &earlier).backend_data.find(kMacOf2), std::string::npos);
  for (const char* other : {R"({"VNI":2,"VtepMAC":"02:00:00:00:00:02"})",
                            R"({"VNI":1,"VtepMAC":"03:00:00:00:00:02"})", "nonsense", ""}) {
    earlier.attributes.backend_data = other;
    EXPECT_EQ(backend->announce(host(), &earlier), backend->announce(host(), nullptr)) << other;
  }
  earlier = vxlan_peer();
  earlier.attributes.backend_type = "host-gw";
  EXPECT_EQ(backend->announce(host(), &earlier), backend->announce(host(), nullptr));
}

TEST(VxlanTest, APeerBehindAnotherNatWithOurInterfacesAddressIsRefused) {
  HostFacts natted = host();
  natted.underlay.v4->public_ip = IpAddress::v4(203, 0, 113, 5);
  const auto backend = make_backend(config(R"({"Type":"vxlan"})"), natted.underlay).value().backend;
  const Lease mine{{IpPrefix::parse_v4("10.5.1.0/24").value(), {}},
                   backend->announce(natted, nullptr)};
  Lease peer = vxlan_peer();
  peer.attributes.public_ip = natted.underlay.v4->ip;
  const auto state =
      backend->peer_state(mine, peer, natted, {.carrier = peer.attributes.public_ip});
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().text, "it announces our interface's address 192.0.2.1");
}

TEST(VxlanTest, APeerThatCannotBeReachedIsRefusedWithTheReason) {
  const std::string vxlan = R"({"Type":"vxlan"})";
  const auto reason = [&](const Lease& peer) { return planned(vxlan, peer); };
  EXPECT_NE(reason(lease("10.5.2.0/24", "192.0.2.2", "host-gw")).find("non-vxlan"),
            std::string::npos);
  EXPECT_NE(reason(lease("10.5.2.0/24", "192.0.2.1", "vxlan")).find("our own public IP"),
            std::string::npos);
  EXPECT_NE(reason(lease("10.5.0.0/20", "192.0.2.2", "vxlan")).find("our own subnet"),
            std::string::npos);
  EXPECT_NE(reason(lease("128.0.0.0/1", "192.0.2.2", "vxlan")).find("subnet contains 192.0.2.2"),
            std::string::npos);
  EXPECT_NE(reason(lease("192.0.2.0/31", "192.0.2.2", "vxlan")).find("subnet contains 192.0.2.1"),
            std::string::npos);
  EXPECT_NE(reason(lease("10.5.2.0/24", "127.0.0.1", "vxlan")).find("127.0.0.1"),
            std::string::npos);
  for (const char* data : {"", "{}", "[]", R"({"VtepMAC":"00:00:00:00:00:00"})",
                           R"({"VtepMAC":"01:00:00:00:00:01"})", R"({"VtepMAC":7})"}) {
    EXPECT_EQ(reason(vxlan_peer(data)).find("refused: "), 0U) << data;
  }
  EXPECT_NE(reason(vxlan_peer(R"({"VNI":7,"VtepMAC":"02:00:00:00:00:02"})")).find("VNI is 7"),
            std::string::npos);
}

TEST(VxlanTest, OptionsOutOfRangeAreRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"Type":"vxlan","VNI":0})", "VNI"},    {R"({"Type":"vxlan","VNI":16777216})", "VNI"},
      {R"({"Type":"vxlan","VNI":"1"})", "VNI"},  {R"({"Type":"vxlan","Port":65536})", "Port"},
      {R"({"Type":"vxlan","Port":-1})", "Port"}, {R"({"Type":"vxlan","MTU":100})", "MTU"},
      {R"({"Type":"vxlan","GBP":1})", "GBP"}};
  for (const auto& [json, key] : cases) {
    const auto backend = made(json);
    ASSERT_FALSE(backend) << json;
    EXPECT_EQ(backend.error().kind, ErrorKind::invalid);
    EXPECT_NE(backend.error().text.find(key), std::string::npos) << backend.error().text;
  }
}

TEST(VxlanTest, TheMtuNeverExceedsWhatTheUnderlayCarries) {
  auto backend = made(R"({"Type":"vxlan","MTU":9000})");
  ASSERT_TRUE(backend);
  EXPECT_EQ(backend->backend->overlay_mtu(host()), 1450U);
  EXPECT_EQ(backend->warnings,
            (std::vector<std::string>{"MTU 9000 is more than eth0 has; 1500 is used"}));
  Underlay narrow = host().underlay;
  narrow.mtu = 100;
  const auto refused = make_backend(config(R"({"Type":"vxlan"})"), narrow);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text, "vxlan adds 50 bytes to a packet, and eth0 takes only 100");
  EXPECT_TRUE(made(R"({"Type":"vxlan","MTU":626,"Port":0,"VNI":9999999})"));
}

TEST(VxlanTest, AVniThatMakesTheNameOfTheDeviceTooLongIsRefused) {
  const auto backend = made(R"({"Type":"vxlan","VNI":10000000})");
  ASSERT_FALSE(backend);
  EXPECT_EQ(backend.error().text,
            "VNI 10000000 in the vxlan backend's options: must be at most 9999999: "
            "the name of the device, flannel.10000000, may have 15 characters");
}

TEST(VxlanTest, OptionsWithoutEffectWarn) {
  const auto backend = made(R"({"Type":"vxlan","MacPrefix":"0E-2A","Name":"x","Colour":1})");
  ASSERT_TRUE(backend);
  EXPECT_EQ(backend->warnings.size(), 3U);
  EXPECT_EQ(backend->warnings[2], "unknown option Colour has no effect");
}

TEST(VxlanTest, AnUnknownOptionIsComparedWithTheKnownOnes) {
  const auto warning = [](const char* options) {
    const auto backend = made(options);
    return backend && backend->warnings.size() == 1 ? backend->warnings[0] : "not one warning";
  };
  EXPECT_EQ(warning(R"({"Type":"vxlan","directrouting ":true})"),
            R"(unknown option "directrouting " has no effect; did you mean DirectRouting?)");
  EXPECT_EQ(warning(R"({"Type":"vxlan","Prot":8472})"),
            "unknown option Prot has no effect; did you mean Port?");
  EXPECT_EQ(warning(R"({"Type":"vxlan","SubnetLen":24})"),
            "unknown option SubnetLen has no effect; it belongs beside Backend, not into it");
  std::string many = R"({"Type":"vxlan")";
  for (int i = 0; i < 100; ++i)
    many += ",\"" + std::string(100, 'x') + std::to_string(i) + "\":1";
  EXPECT_EQ(made(many + "}")->warnings.size(), 11U);
}

TEST(HostGwTest, APeerThatIsNotOnTheLinkIsUnreachableAndOneWithoutAnyRouteIsNot) {
  const auto backend = made(R"({"Type":"host-gw"})").value().backend;
  const Lease peer = lease("10.5.2.0/24", "192.0.2.2", "host-gw");
  EXPECT_EQ(backend
                ->peer_state(own(*backend), peer, host(),
                             {.carrier = peer.attributes.public_ip, .off_link = true})
                .error()
                .text,
            "192.0.2.2 is not on the link of eth0, so host-gw cannot reach it; vxlan could");
  // The underlay may be down just now.
  EXPECT_TRUE(
      backend->peer_state(own(*backend), peer, host(), {.carrier = peer.attributes.public_ip}));
}

TEST(HostGwTest, APeerIsARouteViaItsPublicIp) {
  EXPECT_EQ(planned(R"({"Type":"host-gw"})", lease("10.5.2.0/24", "192.0.2.2", "host-gw")),
            "route 10.5.2.0/24 via 192.0.2.2 dev eth0\n");
  EXPECT_EQ(planned(R"({"Type":"host-gw"})", vxlan_peer()).find("refused: "), 0U);
  const auto backend = made(R"({"Type":"host-gw"})").value().backend;
  EXPECT_EQ(
      encode_lease_value(backend->announce(host(), nullptr)),
      R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"host-gw","Backend":{"Type":"host-gw","MTU":1500}})");
  EXPECT_EQ(backend->overlay_mtu(host()), 1500U);
  EXPECT_EQ(dump(backend->host_state(own(*backend), host())), "");
}

TEST(HostGwTest, RefusesToAnnounceAnAddressThatIsNotItsOwn) {
  Underlay natted = host().underlay;
  natted.v4->public_ip = IpAddress::v4(203, 0, 113, 5);
  const auto backend = make_backend(config(R"({"Type":"host-gw"})"), natted);
  ASSERT_FALSE(backend);
  EXPECT_NE(backend.error().text.find("your PublicIP differs from interface IP"),
            std::string::npos);
}

TEST(AllocTest, OnlyLeases) {
  const auto backend = made(R"({"Type":"alloc"})").value().backend;
  EXPECT_EQ(encode_lease_value(backend->announce(host(), nullptr)),
            R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"Backend":{"Type":"alloc"}})");
  EXPECT_EQ(dump(backend->host_state(own(*backend), host())), "");
  EXPECT_EQ(planned(R"({"Type":"alloc"})", vxlan_peer()), "");
}

class UdpTest : public ::testing::Test {
 protected:
  static HostFacts with_device() {
    HostFacts facts = host();
    facts.tun_device = "flannel0";
    return facts;
  }
  static PacketPathSettings path(const std::string& options) {
    return packet_path_of(*made(options).value().backend, host()).value();
  }
};

TEST_F(UdpTest, IsWhatAConfigurationWithoutBackendMeans) {
  const auto backend =
      make_backend(parse_network_config(R"({"Network":"10.5.0.0/16"})").value().config,
                   host().underlay)
          .value()
          .backend;
  EXPECT_EQ(packet_path_of(*backend, host())->local,
            (std::vector<IpEndpoint>{{IpAddress::v4(192, 0, 2, 1), 8285}}));
}

TEST_F(UdpTest, PutsTheWholeNetworkBehindItsDevice) {
  const auto backend = made(R"({"Type":"udp"})").value().backend;
  EXPECT_EQ(dump(backend->host_state(own(*backend), with_device())),
            "link flannel0 tun txqueuelen 500 mtu 1472 up\n"
            "addr 10.5.1.0/16 dev flannel0\n");
  EXPECT_EQ(backend->overlay_mtu(host()), 1472U);
}

TEST_F(UdpTest, RoutesEachPeerWhereTheNetworkWouldTakeTooMuch) {
  const auto backend = made(R"({"Type":"udp"})").value().backend;
  HostFacts facts = with_device();
  facts.route_each_peer = true;
  EXPECT_EQ(dump(backend->host_state(own(*backend), facts)),
            "link flannel0 tun txqueuelen 500 mtu 1472 up\n"
            "addr 10.5.1.0/32 dev flannel0\n");
  const Lease peer = lease("10.5.2.0/24", "192.0.2.2", "");
  EXPECT_EQ(
      dump(backend->peer_state(own(*backend), peer, facts, {.carrier = peer.attributes.public_ip})
               .value()),
      "route 10.5.2.0/24 dev flannel0\n");
}

TEST_F(UdpTest, AnnouncesItsPortWhereUpstreamDoesNotLook) {
  const auto backend = made(R"({"Type":"udp"})").value().backend;
  EXPECT_EQ(
      encode_lease_value(backend->announce(host(), nullptr)),
      R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"Backend":{"Type":"udp","Port":8285,"MTU":1472}})");
}

TEST_F(UdpTest, OptionsReachThePacketPath) {
  EXPECT_EQ(path(R"({"Type":"udp","Port":9000,"AcceptAny":true,"Persistent":false,"Queues":2})"),
            (PacketPathSettings{.device = "flannel%d",
                                .local = {{IpAddress::v4(192, 0, 2, 1), 9000}},
                                .peer_port = 9000,
                                .mtu = 1472,
                                .networks = {*IpPrefix::parse_v4("10.5.0.0/16")},
                                .queues = 2,
                                .persistent = false,
                                .accept_any = true}));
  EXPECT_TRUE(path(R"({"Type":"udp"})").persistent);
  EXPECT_EQ(path(R"({"Type":"udp","Port":0})").peer_port, 8285);
  for (const char* bad : {R"({"Type":"udp","Port":65536})", R"({"Type":"udp","Queues":0})",
                          R"({"Type":"udp","Port":"x"})"}) {
    EXPECT_FALSE(made(bad)) << bad;
  }
}

TEST_F(UdpTest, TheFlagsOfTheHostTakePrecedenceOverTheConfiguration) {
  HostFacts facts = host();
  facts.packet_path = {
      .accept_any = true, .queues = 3, .cpus = {1}, .receive_buffer = 5000, .send_buffer = 6000};
  const auto backend = made(R"({"Type":"udp","Queues":2})").value().backend;
  const PacketPathSettings settings = packet_path_of(*backend, facts).value();
  EXPECT_TRUE(settings.accept_any);
  EXPECT_EQ(settings.queues, 3);
  EXPECT_EQ(settings.cpus, std::vector<int>{1});
  EXPECT_EQ(settings.receive_buffer, 5000);
  EXPECT_EQ(settings.send_buffer, 6000);
  facts.packet_path.queues = 0;
  EXPECT_EQ(packet_path_of(*backend, facts)->queues, 2);
}

TEST_F(UdpTest, TakesPeersOfEveryBackendButNoImpossibleOnes) {
  EXPECT_EQ(planned(R"({"Type":"udp"})", vxlan_peer()), "");
  EXPECT_EQ(planned(R"({"Type":"udp"})", lease("10.5.2.0/24", "192.0.2.2", "")), "");
  EXPECT_EQ(planned(R"({"Type":"udp"})", lease("10.5.2.0/24", "192.0.2.1", "")),
            "refused: it announces our own public IP 192.0.2.1");
}

TEST(MakeBackendTest, NamesAnUnsupportedBackend) {
  EXPECT_EQ(made(R"({"Type":"gce"})").error().kind, ErrorKind::unsupported);
  EXPECT_EQ(made(R"({"Type":"teleport"})").error().kind, ErrorKind::invalid);
  EXPECT_EQ(made("{}").error().kind, ErrorKind::invalid);
  EXPECT_NE(made(R"({"Type":"teleport"})")
                .error()
                .text.find("alloc, extension, host-gw, ipip, ipsec, udp, vxlan and wireguard"),
            std::string::npos);
}

}  // namespace
}  // namespace flannel::backend_test
