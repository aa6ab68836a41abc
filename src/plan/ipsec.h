// SPDX-License-Identifier: Apache-2.0
// The policies of the kernel's IPsec (XFRM) as values: which packets go through an ESP tunnel,
// which may pass as they are, and which may not pass.
#pragma once

#include <cstdint>
#include <string>

#include "net/address.h"

namespace flannel {

// The number by which a policy names the security associations that its packets need. It is
// upstream's, the same for all peers; the kernel distinguishes them by the addresses of a tunnel.
inline constexpr std::uint32_t kIpsecReqid = 11;

// Priorities of policies; of those that match a packet the lowest number decides. That of tunnels
// is upstream's. The other two are found nowhere else and mark policies as ours.
inline constexpr std::uint32_t kTunnelPriority = 0;
inline constexpr std::uint32_t kPassPriority = 0xFA00'0000;
inline constexpr std::uint32_t kBlockPriority = 0xFA00'0001;

// A policy for packets from and to these addresses. Identity: direction, from, to.
struct IpsecPolicy {
  // in: to this host; forward: by this host, as they come in; out: of this host, and forwarded
  // packets as they leave.
  enum class Direction : std::uint8_t { in, out, forward };
  enum class Action : std::uint8_t { tunnel, pass, block };

  Direction direction = Direction::out;
  IpPrefix from, to;
  Action action = Action::block;
  // The addresses of the outer packets; action tunnel only.
  IpAddress outer_from{}, outer_to{};

  bool operator==(const IpsecPolicy&) const = default;
};

constexpr std::uint32_t priority_of(IpsecPolicy::Action action) {
  switch (action) {
    case IpsecPolicy::Action::tunnel:
      return kTunnelPriority;
    case IpsecPolicy::Action::pass:
      return kPassPriority;
    case IpsecPolicy::Action::block:
      return kBlockPriority;
  }
  return kBlockPriority;
}

// "xfrm policy src 10.5.1.0/24 dst 10.5.2.0/24 dir out tmpl src 192.0.2.1 dst 192.0.2.2 esp"
std::string to_string(const IpsecPolicy& policy);

// What all hosts agree on for their tunnels.
struct IpsecSettings {
  std::string psk;       // a secret: the key by which hosts prove to each other who they are
  std::string proposal;  // of algorithms for ESP, as strongSwan writes them
  bool udp = false;      // ESP is carried by UDP, port 4500
  bool operator==(const IpsecSettings&) const = default;
};

// The two ends of a tunnel: this host's and a peer's.
struct IpsecPeer {
  IpAddress own_ip, ip;
  IpPrefix own_subnet, subnet;
  auto operator<=>(const IpsecPeer&) const = default;
};

}  // namespace flannel
