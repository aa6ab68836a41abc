// SPDX-License-Identifier: Apache-2.0
// A lease: who owns which subnet, and how to reach it. Formats: docs/etcd-keys.md.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/node_id.h"
#include "net/address.h"

namespace flannel {

// The subnets of a lease, which are also the name of its key: at least one of the two.
struct SubnetKey {
  std::optional<IpPrefix> v4{}, v6{};

  // The key of a lease with this subnet alone.
  static SubnetKey of(const IpPrefix& subnet);
  const std::optional<IpPrefix>& at(Family family) const { return family == Family::v4 ? v4 : v6; }
  std::optional<IpPrefix>& at(Family family) { return family == Family::v4 ? v4 : v6; }
  // The IPv4 subnet, else the IPv6 one. Of leases that do not overlap each has another one.
  const IpPrefix& identity() const { return v4 ? *v4 : *v6; }
  bool overlaps(const SubnetKey& other) const;  // in either family
  // True if both have the same subnet of a family.
  bool shares_subnet_with(const SubnetKey& other) const;

  auto operator<=>(const SubnetKey&) const = default;
};

// "10.5.52.0-24", "10.5.52.0-24&fd00:12::-56" or, without IPv4, "0.0.0.0-0&fd00:12::-56". The
// decoder accepts exactly the texts that the encoder writes, so each subnet has one key; set host
// bits are an error.
std::string encode_subnet_key(const SubnetKey& key);
Result<SubnetKey> decode_subnet_key(std::string_view text);
// For people: "10.5.52.0/24", "10.5.52.0/24,fd00:12::/56", "fd00:12::/56".
std::string to_string(const SubnetKey& key);

// False for unspecified, loopback, multicast and reserved addresses, which no host can have.
bool can_be_a_host(const IpAddress& ip);

// The addresses of a host to which its peers send: at least one of the two.
struct PublicIps {
  std::optional<IpAddress> v4{}, v6{};

  PublicIps() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): most hosts have one address
  PublicIps(const IpAddress& ip) { (ip.is_v4() ? v4 : v6) = ip; }
  PublicIps(std::optional<IpAddress> ip4, std::optional<IpAddress> ip6) : v4(ip4), v6(ip6) {}

  const std::optional<IpAddress>& at(Family family) const { return family == Family::v4 ? v4 : v6; }
  std::optional<IpAddress>& at(Family family) { return family == Family::v4 ? v4 : v6; }
  // True if the two may be of one host: IPv4 decides if both have it, else IPv6.
  bool same_host(const PublicIps& other) const;
  // An address that is in both; nullopt: none.
  std::optional<IpAddress> shared_with(const PublicIps& other) const;

  auto operator<=>(const PublicIps&) const = default;
};
std::string to_string(const PublicIps& ips);  // "192.0.2.1", "192.0.2.1,fd00::1", "fd00::1"

inline constexpr std::uint32_t kMaxVni = (1U << 24) - 1;  // RFC 7348, section 5
inline constexpr std::uint32_t kMaxMtu = 65535;           // no IP packet is longer, RFC 791

// The backend by which a host is reached, as far as a peer with another backend must know it to
// make one of that kind.
struct AnnouncedBackend {
  std::string type{};      // lower case, as in the configuration
  std::uint32_t vni = 0;   // 0: the backend has none, or the lease does not say it
  std::uint16_t port = 0;  // the same; udp and vxlan have one

  auto operator<=>(const AnnouncedBackend&) const = default;
};
std::string to_string(const AnnouncedBackend& backend);  // "vxlan (VNI 1, Port 8472)", "host-gw"

// The attributes that a host announces: the JSON value of its key.
struct LeaseAttributes {
  IpAddress public_ip{};  // to which peers send, and by which they know the host; 0.0.0.0: none
  std::optional<IpAddress> public_ip6{};
  // The MTU of the host's containers, 1 to kMaxMtu; 0: the lease does not say it. It is announced
  // with `backend`, and is not a part of it: hosts with different MTUs reach each other.
  std::uint32_t mtu = 0;
  std::string backend_type{};     // empty for udp and alloc: the member is omitted
  std::string backend_data{};     // compact JSON text; empty: omitted
  std::string backend_v6_data{};  // compact JSON text; empty: omitted
  std::optional<NodeTag> node{};  // who wrote it; nullopt: another flannel, or an operator
  // nullopt: written by another flannel, or by a release that did not announce it.
  std::optional<AnnouncedBackend> backend{};

  // The attributes of a host of which nothing else is known.
  static LeaseAttributes of_host(const PublicIps& ips);
  // Addresses that are unspecified are left out.
  PublicIps public_ips() const;
  const std::string& data(Family family) const {
    return family == Family::v4 ? backend_data : backend_v6_data;
  }
  std::string& data(Family family) { return family == Family::v4 ? backend_data : backend_v6_data; }

  bool operator==(const LeaseAttributes&) const = default;
};

// Writes the same bytes as upstream flannel v0.15 and later, and after them "NodeID" and "Backend",
// which upstream ignores.
std::string encode_lease_value(const LeaseAttributes& attributes);
// Accepts any member order and any case of names, and ignores unknown members. Only PublicIP is
// required.
Result<LeaseAttributes> decode_lease_value(std::string_view json);

struct Lease {
  SubnetKey subnet;
  LeaseAttributes attributes;

  bool operator==(const Lease&) const = default;
};

// The fact by which a record is recognised as this host's own, from the weakest to the surest.
enum class Ownership {
  none,
  address,      // the public IP alone, as in upstream: the record or this host has no node id
  boot,         // boot and public IP: this host has lost its node id
  subnet_file,  // public IP and the subnet of subnet.env: the node id is lost, the boot another
  node,         // node id, and boot or public IP
};

// The facts by which this host recognises its own records. Each may be lost or change: by a reboot,
// another address, a lost state folder, a lost subnet.env. Records of a copy of this host, or of
// another host with its address, are not recognised as its own.
struct HostIdentity {
  // NOLINTNEXTLINE(google-explicit-constructor): an address alone is how upstream knows a host
  HostIdentity(PublicIps ips, std::optional<NodeTag> tag = std::nullopt,
               std::optional<SubnetKey> subnet_of_file = std::nullopt)
      : public_ips(ips), node(tag), subnet(subnet_of_file) {}
  // NOLINTNEXTLINE(google-explicit-constructor): as above
  HostIdentity(const IpAddress& ip, std::optional<NodeTag> tag = std::nullopt,
               std::optional<SubnetKey> subnet_of_file = std::nullopt)
      : HostIdentity(PublicIps(ip), tag, subnet_of_file) {}
  // The host that wrote this record, as far as the record has its identity.
  static HostIdentity writer_of(const LeaseAttributes& record) {
    return {record.public_ips(), record.node};
  }

  Ownership ownership(const Lease& record) const;
  bool owns(const Lease& record) const { return ownership(record) != Ownership::none; }
  // Like owns(), but ignores the subnet.
  bool wrote(const LeaseAttributes& record) const;
  // True if another host with our node id wrote the record: one of the two is a copy.
  bool is_copy(const LeaseAttributes& record) const;

  PublicIps public_ips;
  std::optional<NodeTag> node;
  std::optional<SubnetKey> subnet;  // the subnets in subnet.env
};

}  // namespace flannel

template <>
struct std::hash<flannel::SubnetKey> {
  std::size_t operator()(const flannel::SubnetKey& key) const noexcept {
    return std::hash<flannel::IpPrefix>{}(key.identity());
  }
};
