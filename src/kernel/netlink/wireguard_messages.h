// SPDX-License-Identifier: Apache-2.0
// WireGuard devices and their peers as the kernel's generic netlink family "wireguard" has them.
// docs/kernel-objects.md
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernel/netlink/netlink_batch.h"
#include "kernel/netlink/netlink_message.h"
#include "net/address.h"
#include "plan/wireguard.h"

namespace flannel {

struct WireguardPeerRow {
  WireguardKey key{};
  WireguardSecret preshared{};
  std::optional<IpEndpoint> endpoint{};
  std::uint16_t keepalive = 0;      // seconds
  std::vector<IpPrefix> allowed{};  // sorted
  std::int64_t last_handshake = 0;  // seconds since 1970; 0: none yet
};

struct WireguardRow {
  int index = 0;
  WireguardKey key{};  // zero: the device has no private key
  std::uint16_t port = 0;
  std::uint32_t mark = 0;
  std::vector<WireguardPeerRow> peers{};
};

// What the put of a peer leaves as it is.
struct WireguardPeerWrite {
  bool endpoint = true;          // false: that of the kernel stays
  bool replaces_allowed = true;  // false: prefixes are added only
};

// Each function appends one request to `family`.

// wg show; a private key is in the answer too, and is skipped when that is read.
void dump_wireguard(NetlinkBatch& batch, std::uint16_t family, int index);
// wg set DEVICE private-key .. listen-port .. fwmark ..: what of `want` differs from `have`; false:
// nothing does, and no request is appended.
bool put_wireguard(NetlinkBatch& batch, std::uint16_t family, const WireguardRow& have,
                   const WireguardSettings& want);
// wg set DEVICE peer ..
void put_wireguard_peer(NetlinkBatch& batch, std::uint16_t family, int index,
                        const WireguardPeer& peer, WireguardPeerWrite write);
// wg set DEVICE peer .. remove
void delete_wireguard_peer(NetlinkBatch& batch, std::uint16_t family, int index,
                           const WireguardKey& key);

// Adds to `row` what the next message of a dump says. The kernel continues a long list of peers,
// also that of a peer's prefixes, in the next message. False: the message is damaged, or of another
// command; what is damaged in a peer drops that peer or prefix alone.
bool add_wireguard(NetlinkBytes payload, WireguardRow& row);
// Sorts the prefixes of all peers; to be called after the last message.
void finish(WireguardRow& row);

}  // namespace flannel
