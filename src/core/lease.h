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

// This host, as it recognises what it wrote itself.
struct HostIdentity {
  // NOLINTNEXTLINE(google-explicit-constructor): an address alone is how upstream knows a host
  HostIdentity(Ip4 ip, std::optional<NodeTag> tag = std::nullopt) : public_ip(ip), node(tag) {}

  // The record is this host's own. Without a tag, the public IP decides, as for upstream. With one,
  // two of three must be ours: node id, boot, public IP. So a host keeps its lease over a reboot,
  // over a change of its address and over the loss of its node id, each by itself; and neither a
  // copy of it nor somebody with its address is taken for it.
  bool wrote(const LeaseAttributes& record) const;
  // The record is of a host with our node id that is not us: one of the two is a copy.
  bool is_copy(const LeaseAttributes& record) const;

  Ip4 public_ip;
  std::optional<NodeTag> node;
};

struct Lease {
  SubnetKey subnet;
  LeaseAttributes attributes;

  bool operator==(const Lease&) const = default;
};

}  // namespace flannel

template <>
struct std::hash<flannel::SubnetKey> {
  std::size_t operator()(const flannel::SubnetKey& key) const noexcept {
    return std::hash<flannel::Cidr4>{}(key.v4);  // the v4 part alone tells leases apart
  }
};
