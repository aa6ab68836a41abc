// SPDX-License-Identifier: Apache-2.0
// The kinds of devices that we make, each with its settings as a value. What the kernel needs for a
// kind is in kernel/netlink/link_kind.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "net/address.h"
#include "plan/wireguard.h"

namespace flannel {

// The interface below a device. Two values are equal if their indexes are: a rename keeps the
// index, and no two interfaces have one index. The name is for people.
struct LowerDevice {
  std::string name;
  int index = 0;  // 0: none
  bool operator==(const LowerDevice& other) const { return index == other.index; }
};

struct VxlanSettings {
  std::uint32_t vni = 1;      // 1..2^24-1
  std::uint16_t port = 8472;  // UDP destination port; Linux's own default
  LowerDevice lower{};        // underlay interface
  IpAddress local{};          // the underlay's address: the outer source, and the outer family
  bool learning = false;
  bool gbp = false;
  Mac mac{};          // of the VTEP itself
  bool plain = true;  // no features that we never configure (group, miss notifications, proxy)
  bool operator==(const VxlanSettings&) const = default;
};

// A TUN device. The packet path creates it by opening it; the reconciler only configures it.
struct TunSettings {
  std::uint32_t queue_len = 500;  // upstream's (and the kernel's TUN default)
  bool operator==(const TunSettings&) const = default;
};

// An IPIP device without a remote address: the gateway of a route is where it sends packets.
struct IpipSettings {
  IpAddress local{};   // the underlay's IPv4 address: the outer source
  IpAddress remote{};  // never wanted; another program may have set it
  // No settings that we never make: an interface below, a TTL or TOS that is not the inner
  // packet's, a DF that is not, another encapsulation.
  bool plain = true;
  bool operator==(const IpipSettings&) const = default;
};

// The backend decides which kind a device of ours has.
using LinkSettings = std::variant<VxlanSettings, TunSettings, IpipSettings, WireguardSettings>;

// In the syntax of `ip`: "vxlan id 1 local 192.0.2.1 dev eth0 dstport 8472 nolearning".
std::string to_string(const LinkSettings& settings);

// The MAC that we give to the device; nullopt: none.
std::optional<Mac> mac_of(const LinkSettings& settings);

// nullptr: devices of this kind have no interface below.
const LowerDevice* lower_of(const LinkSettings& settings);
LowerDevice* lower_of(LinkSettings& settings);

// True if the kernel cannot change a device with the settings `have` into one with `want`. Always
// false for a TUN device that is wanted: only the packet path can make one, so a put is tried, and
// its failure is reported.
bool needs_new_device(const LinkSettings& have, const LinkSettings& want);

}  // namespace flannel
