// SPDX-License-Identifier: Apache-2.0
// Checks of peers and options that several backends share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "core/go_json.h"
#include "core/lease.h"

namespace flannel {

// Fails unless the peer announces `type`; its subnet does not overlap ours, and contains neither
// its own public IP nor an address that this host uses outside of the overlay, for example one over
// which this host is reached; and the carrier is a unicast address that is neither ours nor inside
// of our subnet.
Result<void> check_peer(const Lease& own, const Lease& peer, const HostFacts& host,
                        const PeerPath& path, std::string_view type);

// The option MTU, which replaces the MTU of the underlay's interface; nullopt, also for 0: it does
// not. It leaves packets of 576 bytes, which every host accepts, when encapsulation has added
// `overhead` bytes.
Result<std::optional<std::uint32_t>> read_base_mtu(JsonObject& json, std::uint32_t overhead);

// Fails if packets of a family that the network has cannot pass: encapsulation adds `overhead`
// bytes to them.
Result<void> check_underlay_mtu(std::string_view type, std::uint32_t overhead, Family family,
                                const Underlay& underlay);

// The MTU that our lease announces for an overlay with this one.
std::uint32_t announced_mtu(std::uint32_t overlay_mtu);

// The MTU of a route to the peer's subnet of this family: that which the peer announces, if it is
// smaller than `ours`, the one of our overlay by the same backend. 0: the device's is right. An MTU
// that is too small for any host of the family (IPv4 576, IPv6 1280 bytes) is a mistake of the
// peer's, and has no effect.
std::uint32_t route_mtu(const Lease& peer, Family family, std::uint32_t ours);

// Appends a warning for each option of `json` that no getter has read.
void append_unknown_options(const JsonObject& json, std::vector<std::string>& warnings);

}  // namespace flannel
