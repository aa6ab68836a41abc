// SPDX-License-Identifier: Apache-2.0
// A lease: who owns which subnet, and how to reach it. Formats: docs/etcd-keys.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/node_id.h"
#include "net/address.h"

namespace flannel {

// The subnet of a lease, which is also the name of its key: IPv4 alone, or both families.
struct SubnetKey {
  IpPrefix v4;
  std::optional<IpPrefix> v6;

  auto operator<=>(const SubnetKey&) const = default;
};

// "10.5.52.0-24" or "10.5.52.0-24&fd00:12::-56". The decoder accepts exactly the texts that the
// encoder writes, so each subnet has one key; set host bits are an error.
std::string encode_subnet_key(const SubnetKey& key);
Result<SubnetKey> decode_subnet_key(std::string_view text);
std::string to_string(const SubnetKey& key);  // for people: "10.5.52.0/24" (+ ",fd00:12::/56")

// The attributes that a host announces: the JSON value of its key.
struct LeaseAttributes {
  IpAddress public_ip;  // identity of the host, and the address that peers send to
  std::optional<IpAddress> public_ip6{};
  std::string backend_type{};     // empty for udp and alloc: the member is omitted
  std::string backend_data{};     // compact JSON text; empty: omitted
  std::string backend_v6_data{};  // compact JSON text; empty: omitted
  std::optional<NodeTag> node{};  // who wrote it; nullopt: another flannel, or an operator

  bool operator==(const LeaseAttributes&) const = default;
};

// Writes the same bytes as upstream flannel v0.15 and later, and after them "NodeID", which
// upstream ignores.
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
  HostIdentity(IpAddress ip, std::optional<NodeTag> tag = std::nullopt,
               std::optional<IpPrefix> subnet_of_file = std::nullopt)
      : public_ip(ip), node(tag), subnet(subnet_of_file) {}

  Ownership ownership(const Lease& record) const;
  bool owns(const Lease& record) const { return ownership(record) != Ownership::none; }
  // Like owns(), but ignores the subnet.
  bool wrote(const LeaseAttributes& record) const;
  // True if another host with our node id wrote the record: one of the two is a copy.
  bool is_copy(const LeaseAttributes& record) const;

  IpAddress public_ip;
  std::optional<NodeTag> node;
  std::optional<IpPrefix> subnet;  // the subnet in subnet.env
};

}  // namespace flannel

template <>
struct std::hash<flannel::SubnetKey> {
  std::size_t operator()(const flannel::SubnetKey& key) const noexcept {
    return std::hash<flannel::IpPrefix>{}(key.v4);  // the v4 part alone identifies a lease
  }
};
