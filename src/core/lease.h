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

// What one lease is about: the name of its key. IPv4 alone, or both families.
struct SubnetKey {
  Cidr4 v4;
  std::optional<Cidr6> v6;

  auto operator<=>(const SubnetKey&) const = default;
};

// "10.5.52.0-24" or "10.5.52.0-24&fd00:12::-56". The decoder accepts exactly what the encoder
// writes, so keys and subnets stand for each other; host bits that are set are an error.
std::string encode_subnet_key(const SubnetKey& key);
Result<SubnetKey> decode_subnet_key(std::string_view text);
std::string to_string(const SubnetKey& key);  // for people: "10.5.52.0/24" (+ ",fd00:12::/56")

// What a host announces under its key; the JSON value.
struct LeaseAttributes {
  Ip4 public_ip;  // identity of the host, and where peers send to
  std::optional<Ip6> public_ip6{};
  std::string backend_type{};     // empty for udp and alloc: the member is omitted
  std::string backend_data{};     // compact JSON text; empty: omitted
  std::string backend_v6_data{};  // compact JSON text; empty: omitted
  std::optional<NodeTag> node{};  // who wrote it; nothing: another flannel, or an operator

  bool operator==(const LeaseAttributes&) const = default;
};

// Byte for byte what upstream flannel v0.15 and later write, and then "NodeID", which they ignore.
std::string encode_lease_value(const LeaseAttributes& attributes);
// Any member order, any case of names, unknown members ignored; only PublicIP is required.
Result<LeaseAttributes> decode_lease_value(std::string_view json);

struct Lease {
  SubnetKey subnet;
  LeaseAttributes attributes;

  bool operator==(const Lease&) const = default;
};

// By what a record is this host's own, the surest last.
enum class Ownership {
  none,
  address,      // the public IP, and it names no node (or we have none): as upstream knows a host
  boot,         // boot and public IP: the node id was lost
  subnet_file,  // public IP, and its subnet is that of subnet.env: node id and boot were lost
  node,         // node id, and boot or public IP
};

// This host, as it recognises what it wrote itself. Each fact may be lost or change by itself: a
// reboot, another address, a lost state folder, a lost subnet.env. Neither a copy of this host nor
// somebody with its address is taken for it.
struct HostIdentity {
  // NOLINTNEXTLINE(google-explicit-constructor): an address alone is how upstream knows a host
  HostIdentity(Ip4 ip, std::optional<NodeTag> tag = std::nullopt,
               std::optional<Cidr4> subnet_of_file = std::nullopt)
      : public_ip(ip), node(tag), subnet(subnet_of_file) {}

  Ownership ownership(const Lease& record) const;
  bool owns(const Lease& record) const { return ownership(record) != Ownership::none; }
  // As owns(), of a record on no matter which subnet.
  bool wrote(const LeaseAttributes& record) const;
  // The record is of a host with our node id that is not us: one of the two is a copy.
  bool is_copy(const LeaseAttributes& record) const;

  Ip4 public_ip;
  std::optional<NodeTag> node;
  std::optional<Cidr4> subnet;  // what subnet.env names
};

}  // namespace flannel

template <>
struct std::hash<flannel::SubnetKey> {
  std::size_t operator()(const flannel::SubnetKey& key) const noexcept {
    return std::hash<flannel::Cidr4>{}(key.v4);  // the v4 part alone tells leases apart
  }
};
