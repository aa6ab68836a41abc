// SPDX-License-Identifier: Apache-2.0
// What the kernel needs for each kind of device that we make: one table for each, in NAME_link.cc.
// plan/link_settings.h has their settings.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "kernel/netlink/netlink_batch.h"
#include "kernel/netlink/netlink_message.h"
#include "kernel/netlink/rtnetlink.h"
#include "plan/link_settings.h"

namespace flannel {

// A function gets the settings of its own kind. One that is nullptr has nothing to do for the kind.
struct LinkKind {
  std::string_view name;     // IFLA_INFO_KIND
  std::string_view backend;  // the one whose devices are of this kind
  // FDB entries lead to the peers.
  bool has_fdb = false;
  // The kernel may have to fill in the checksums of packets before the device wraps them.
  bool has_software_checksums = false;

  // Reads IFLA_INFO_DATA, and what `row` has of all devices. nullopt: the device is of a variety
  // that we never make, such as TAP.
  std::optional<LinkSettings> (*decode)(NetlinkBytes data, LinkRow& row) = nullptr;
  // True if a device of ours may have this name.
  bool (*is_our_name)(std::string_view name, const LinkSettings& settings) = nullptr;

  // Appends the attributes in IFLA_INFO_DATA of a new device. nullptr: the kernel makes no such
  // device by a request of ours. `lower`: the index of the interface below, 0: none.
  void (*put_new)(NetlinkBatch& batch, const LinkSettings& settings, int lower) = nullptr;
  // Appends those that the kernel can change while the device exists.
  void (*put_changeable)(NetlinkBatch& batch, const LinkSettings& settings, int lower) = nullptr;
  // True if what put_changeable() appends would change the device.
  bool (*has_changeable)(const LinkSettings& want, const LinkSettings& have) = nullptr;
  // Packets that the device holds back. nullptr: none, it has no queue.
  std::uint32_t (*queue_len)(const LinkSettings& settings) = nullptr;

  // A device that the kernel accepts beside `have` exactly if it would accept `want` in place of
  // it. nullopt: no trial is needed.
  std::optional<Link> (*trial)(const LinkSettings& have, const Link& want) = nullptr;
  // Why the kernel refuses (EEXIST) to create the device, or to set it up, as far as `others`, the
  // devices of this host, show it. Empty: they do not.
  std::string (*why_not_created)(const Link& link, std::span<const LinkRow> others) = nullptr;
  std::string (*why_not_up)(const Link& link, std::span<const LinkRow> others) = nullptr;
};

const LinkKind& kind_of(const LinkSettings& settings);
// By IFLA_INFO_KIND; nullptr: we make no such devices.
const LinkKind* kind_named(std::string_view name);

extern const LinkKind kVxlanLink, kTunLink, kIpipLink, kWireguardLink;

// Why a WireGuard device cannot listen on this port, which is in use.
std::string wireguard_port_in_use(std::uint16_t port);

}  // namespace flannel
