// SPDX-License-Identifier: Apache-2.0
#include "backend/ipsec.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace flannel::ipsec_backend_test {
namespace {

const std::string kPsk(96, 'k');

HostFacts host(std::uint32_t mtu = 1500) {
  HostFacts facts;
  const auto ip = IpAddress::v4(192, 0, 2, 1);
  facts.underlay = {
      .interface = "eth0", .interface_index = 2, .mtu = mtu, .v4 = UnderlayAddress{ip, ip}};
  return facts;
}

std::string backend_json(const std::string& more = "", const std::string& psk = kPsk) {
  return fmt::format(R"({{"Type":"ipsec","PSK":"{}"{}}})", psk, more);
}

Result<MadeBackend> made(const std::string& backend, const Underlay& underlay = host().underlay,
                         const std::string& network = R"("Network":"10.5.0.0/16")") {
  const auto parsed = parse_network_config("{" + network + R"(,"Backend":)" + backend + "}");
  return make_backend(parsed.value().config, underlay);
}

std::unique_ptr<Backend> backend(const std::string& more = "") {
  return made(backend_json(more)).value().backend;
}

std::string refusal(const Result<MadeBackend>& result) {
  return result ? "none" : result.error().text;
}

Lease own(const Backend& by) {
  return {{IpPrefix::parse_v4("10.5.1.0/24").value(), {}}, by.announce(host(), nullptr)};
}

Lease peer(const char* type = "ipsec") {
  Lease lease;
  lease.subnet.v4 = IpPrefix::parse_v4("10.5.2.0/24").value();
  lease.attributes.public_ip = IpAddress::v4(192, 0, 2, 2);
  lease.attributes.backend_type = type;
  return lease;
}

std::string planned(const HostFacts& facts, const Lease& lease = peer()) {
  const auto by = backend();
  const auto state =
      by->peer_state(own(*by), lease, facts, PeerPath{.carrier = lease.attributes.public_ip});
  return state ? dump(*state) : "refused: " + state.error().text;
}

TEST(IpsecBackendTest, APeerHasThePoliciesOfUpstreamAndARoute) {
  EXPECT_EQ(planned(host()),
            "xfrm policy src 10.5.2.0/24 dst 10.5.1.0/24 dir in tmpl src 192.0.2.2 dst 192.0.2.1 "
            "esp\n"
            "xfrm policy src 10.5.2.0/24 dst 10.5.1.0/24 dir fwd tmpl src 192.0.2.2 dst 192.0.2.1 "
            "esp\n"
            "xfrm policy src 10.5.1.0/24 dst 10.5.2.0/24 dir out tmpl src 192.0.2.1 dst 192.0.2.2 "
            "esp\n"
            "route 10.5.2.0/24 via 192.0.2.2 dev eth0 onlink\n");
}

TEST(IpsecBackendTest, WhatNoTunnelCarriesIsBlocked) {
  const auto by = backend();
  EXPECT_EQ(dump(by->host_state(own(*by), host())),
            "xfrm policy src 0.0.0.0/0 dst 10.5.0.0/16 dir out action block\n"
            "xfrm policy src 0.0.0.0/0 dst 10.5.1.0/24 dir out action allow\n"
            "xfrm policy src 10.5.0.0/16 dst 10.5.1.0/24 dir in action block\n"
            "xfrm policy src 10.5.0.0/16 dst 10.5.1.0/24 dir fwd action block\n"
            "xfrm policy src 10.5.1.0/24 dst 10.5.1.0/24 dir in action allow\n"
            "xfrm policy src 10.5.1.0/24 dst 10.5.1.0/24 dir fwd action allow\n");
}

TEST(IpsecBackendTest, WhereTheNetworkCoversAddressesInUseOnlyPeersAreBlocked) {
  HostFacts facts = host();
  facts.route_each_peer = true;
  const auto by = backend();
  EXPECT_EQ(dump(by->host_state(own(*by), facts)), "");
  EXPECT_NE(planned(facts).find("xfrm policy src 0.0.0.0/0 dst 10.5.2.0/24 dir out action block\n"),
            std::string::npos);
}

TEST(IpsecBackendTest, WhatAnotherBackendCarriesPasses) {
  const auto by = backend();
  EXPECT_EQ(dump(by->pass_state(own(*by), *peer().subnet.v4, host())),
            "xfrm policy src 10.5.2.0/24 dst 10.5.1.0/24 dir in action allow\n"
            "xfrm policy src 10.5.2.0/24 dst 10.5.1.0/24 dir fwd action allow\n"
            "xfrm policy src 0.0.0.0/0 dst 10.5.2.0/24 dir out action allow\n");
}

TEST(IpsecBackendTest, AnnouncesWhatUpstreamDoes) {
  const LeaseAttributes lease = backend()->announce(host(), nullptr);
  EXPECT_EQ(lease.backend_type, "ipsec");
  EXPECT_EQ(lease.backend_data, "");
  EXPECT_EQ(lease.public_ip, IpAddress::v4(192, 0, 2, 1));
}

TEST(IpsecBackendTest, TheMtuIsThatOfUpstream) {
  EXPECT_EQ(backend()->overlay_mtu(host()), 1423U);
  EXPECT_EQ(backend(R"(,"UDPEncap":true)")->overlay_mtu(host()), 1415U);
}

TEST(IpsecBackendTest, UdpOrEspCarriesPackets) {
  EXPECT_EQ(backend()->tunnel_port(peer(), {}), 0);
  EXPECT_EQ(backend()->tunnel_protocol(), 50);
  EXPECT_EQ(backend(R"(,"UDPEncap":true)")->tunnel_port(peer(), {}), 4500);
}

TEST(IpsecBackendTest, TheOptionsAreThoseOfUpstream) {
  const auto by = backend(R"(,"UDPEncap":true,"ESPProposal":"aes256-sha256")");
  EXPECT_EQ(std::get<IpsecSettings>(by->companion(host())),
            (IpsecSettings{.psk = kPsk, .proposal = "aes256-sha256", .udp = true}));
  EXPECT_EQ(std::get<IpsecSettings>(backend()->companion(host())).proposal,
            "aes128gcm16-sha256-prfsha256-ecp256");
}

TEST(IpsecBackendTest, AKeyThatIsTooShortIsRefusedAndNotShown) {
  EXPECT_EQ(refusal(made(backend_json("", std::string(95, 'k')))),
            "PSK in the ipsec backend's options: must have 96 to 4096 characters, and has 95: make "
            "one with \"openssl rand -hex 48\"");
  EXPECT_EQ(refusal(made(R"({"Type":"ipsec"})")).find("PSK in"), 0U);
  const std::string number = refusal(made(R"({"Type":"ipsec","PSK":123456789})"));
  EXPECT_EQ(number, "PSK in the ipsec backend's options: must be a string");
  const auto good = made(backend_json());
  EXPECT_EQ(good.value().options.find(kPsk), std::string::npos);
}

TEST(IpsecBackendTest, AProposalThatDoesNotEncryptIsRefused) {
  for (const char* proposal :
       {"null-sha256", "", "aes128,null", "aes128 null", "aes128gmac", "aes256gmac-ecp256"}) {
    const auto result = made(backend_json(fmt::format(R"(,"ESPProposal":"{}")", proposal)));
    EXPECT_NE(refusal(result).find("ESPProposal"), std::string::npos) << proposal;
  }
}

TEST(IpsecBackendTest, WhatItCannotCarryIsRefusedInWords) {
  const std::string dual =
      R"("Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:5::/48")";
  EXPECT_EQ(refusal(made(backend_json(), host().underlay, dual)).find("ipsec carries IPv4 only"),
            0U);
  Underlay nat = host().underlay;
  nat.v4->public_ip = IpAddress::v4(198, 51, 100, 1);
  EXPECT_EQ(
      refusal(made(backend_json(), nat)),
      "ipsec needs the public IP 198.51.100.1 on eth0, which has 192.0.2.1: behind a NAT, use "
      "wireguard");
  EXPECT_EQ(refusal(made(backend_json(), host(140).underlay)),
            "ipsec adds 77 bytes to a packet, and eth0 takes only 140");
}

TEST(IpsecBackendTest, APeerWithAnInvalidLeaseIsRefused) {
  EXPECT_EQ(planned(host(), peer("vxlan")),
            "refused: ignoring non-ipsec subnet: it announces the backend \"vxlan\"");
  Lease same = peer();
  same.attributes.public_ip = IpAddress::v4(192, 0, 2, 1);
  EXPECT_EQ(planned(host(), same), "refused: it announces our own public IP 192.0.2.1");
}

}  // namespace
}  // namespace flannel::ipsec_backend_test
