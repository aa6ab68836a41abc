// SPDX-License-Identifier: Apache-2.0
// Kernel objects as plain values: what a backend wants, what the kernel has, and the difference.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/shared.h"
#include "net/address.h"
#include "plan/ipsec.h"
#include "plan/link_settings.h"
#include "plan/wireguard.h"

namespace flannel {

// The rtm_protocol and nh_protocol of all routes and next hops that we install; they mark these as
// ours. The value is neither in <linux/rtnetlink.h> nor in iproute2's rt_protos. Upstream uses
// boot(3). docs/kernel-objects.md
inline constexpr std::uint8_t kRouteProtocol = 0xFA;  // 250

// The metric of our routes: the one that upstream's have, which get the kernel's default. The
// kernel replaces a route only by one with the same metric.
constexpr std::uint32_t route_metric(Family family) {
  return family == Family::v4 ? 0 : 1024;  // IP6_RT_PRIO_USER
}

// A device of ours. needs_new_device() (diff.h) says which differences the kernel cannot change in
// place.
struct Link {
  std::string name;
  LinkSettings kind;
  std::uint32_t mtu = 0;
  bool up = true;
  // True if Linux drops IPv4 packets that come in by the device unless it would send to their
  // source by the same device (rp_filter 1). Never desired: a peer may send by one dataplane while
  // our route to it uses another.
  bool strict_source_check = false;
  // True if the kernel is to fill in the checksums of packets itself, before a vxlan device wraps
  // them: `ethtool -K NAME tx off`. False: this is left as it is, and read as false, unless we have
  // switched it off.
  bool software_checksums = false;
  bool operator==(const Link&) const = default;
};

struct Address {
  std::string link;
  IpAddress ip;
  std::uint8_t bits = 32;  // 128 for the address of one host in IPv6
  // True if the route to the address's network exists. Linux adds it with the address, and other
  // programs can remove it alone. Always true for an address without a network (/32, /128).
  bool routed = true;

  bool has_network() const { return bits != address_bits(ip.family); }
  bool operator==(const Address&) const = default;
};

// A route in the main table with our protocol, scope universe. Identity: `to` and `blackhole`; a
// put replaces another route of that identity, a removal removes exactly this route.
struct Route {
  IpPrefix to;
  // 0.0.0.0: no gateway, in either family. The gateway of an IPv4 route may be an IPv6 address (RFC
  // 5549).
  IpAddress via{};
  std::string link;
  bool onlink = false;
  bool blackhole = false;  // no device, and the highest metric: a unicast route takes precedence
  bool foreign = false;    // has another protocol; never desired, only removed (Scope)
  std::uint32_t mtu = 0;   // of packets that leave by it; 0: that of the device
  bool operator==(const Route&) const = default;
};

// A permanent neighbour entry (ARP, ND). Identity: link, ip.
struct Neighbour {
  std::string link;
  IpAddress ip;
  Mac mac;
  bool operator==(const Neighbour&) const = default;
};

// A permanent `self` forwarding entry of a vxlan device. Identity: link, mac: the kernel has one
// remote for a unicast MAC, and a put replaces it (the kernel ignores an append without an error).
// The removal of an entry whose remote has changed meanwhile removes nothing.
struct FdbEntry {
  std::string link;
  Mac mac;
  IpAddress remote;
  bool operator==(const FdbEntry&) const = default;
};

// The kinds are in the order in which objects can be put; removals have the reverse order. Devices
// are few and large, and are not in the object itself: a host holds several objects for each peer.
// Peers of WireGuard and policies of IPsec are large, and exist with one backend only.
using KernelObject = std::variant<Shared<Link>, Address, Neighbour, FdbEntry, Shared<WireguardPeer>,
                                  Shared<IpsecPolicy>, Route>;
static_assert(sizeof(KernelObject) <= 88);

struct NetState {
  std::vector<Link> links;
  std::vector<Address> addresses;
  std::vector<Neighbour> neighbours;
  std::vector<FdbEntry> fdb;
  std::vector<Shared<WireguardPeer>> wireguard;
  std::vector<Shared<IpsecPolicy>> policies;
  std::vector<Route> routes;
  bool operator==(const NetState&) const = default;
};

// The identity of an object. Keys have the order in which objects can be put.
template <typename Text>
struct BasicObjectKey {
  std::size_t kind = 0;  // index in KernelObject
  Text link{};           // empty for a route, whose device may change, and for a policy
  IpAddress ip{};
  std::uint8_t bits = 0;
  bool blackhole = false;
  Mac mac{};
  WireguardKey key{};
  IpPrefix from{};  // of a policy, as is `direction`
  IpsecPolicy::Direction direction{};
  auto operator<=>(const BasicObjectKey&) const = default;
};
using ObjectKey = BasicObjectKey<std::string>;
using ObjectKeyView = BasicObjectKey<std::string_view>;  // the text is the object's or the key's
ObjectKey key_of(const KernelObject& object);
ObjectKeyView key_view(const KernelObject& object);
ObjectKeyView key_view(const ObjectKey& key);
// The device that the object is or is on; for a route the device by which it leaves; empty for a
// policy.
const std::string& device_of(const KernelObject& object);

// All objects of a state, by kind.
std::vector<KernelObject> objects_of(const NetState& state);
void add(NetState& state, KernelObject object);
NetState joined(NetState one, const NetState& other);

// One line per object in the syntax of `ip` and `bridge`, in the order of their keys. Tests compare
// this text.
//   link flannel.1 vxlan id 1 local 192.0.2.1 dev eth0 dstport 8472 nolearning mtu 1450 mac .. up
//   addr 10.5.1.0/32 dev flannel.1
//   neigh 10.5.2.0 dev flannel.1 lladdr .. nud permanent
//   fdb .. dev flannel.1 dst 192.0.2.2 self permanent
//   wg peer .. dev flannel-wg endpoint 192.0.2.2:51820 allowed-ips 10.5.2.0/24
//   xfrm policy src 10.5.1.0/24 dst 10.5.2.0/24 dir out tmpl src 192.0.2.1 dst 192.0.2.2 esp
//   route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink
//   route 10.5.2.0/24 via inet6 2001:db8::2 dev eth0 mtu 1400
//   blackhole 10.5.1.0/24
std::string dump(const NetState& state);
std::string to_string(const KernelObject& object);

}  // namespace flannel
