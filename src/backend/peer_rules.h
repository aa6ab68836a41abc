// SPDX-License-Identifier: Apache-2.0
// What several backends ask of a peer and of their options.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "core/go_json.h"
#include "core/lease.h"

namespace flannel {

// The peer announces `type`; it claims neither our own subnet nor an address of ours or in it, nor
// one that no packet can be sent to; and its subnet contains nothing that this host uses outside of
// the overlay, such as the addresses over which it is reached.
Result<void> check_peer(const Lease& own, const Lease& peer, const HostFacts& host,
                        std::string_view type);

// A warning for each option that no getter of `json` has asked for.
void append_unknown_options(const JsonObject& json, std::vector<std::string>& warnings);

}  // namespace flannel
