// SPDX-License-Identifier: Apache-2.0
// Checks of peers and options that several backends share.
#pragma once

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

// Fails if packets of a family that the network has cannot pass: encapsulation adds `overhead`
// bytes to them.
Result<void> check_underlay_mtu(std::string_view type, std::uint32_t overhead, Family family,
                                const Underlay& underlay);

// Appends a warning for each option of `json` that no getter has read.
void append_unknown_options(const JsonObject& json, std::vector<std::string>& warnings);

}  // namespace flannel
