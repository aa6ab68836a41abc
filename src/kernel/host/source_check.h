// SPDX-License-Identifier: Apache-2.0
// The check of IPv4 sources (rp_filter) in the network namespace of the calling thread. IPv6 has
// none.
#pragma once

#include <cstdint>
#include <string>

namespace flannel {

// Accepts a source to which there is any route.
inline constexpr std::uint32_t kLooseSourceCheck = 2;

// True if Linux drops packets that come in by a device with this rp_filter of its own, unless it
// would send to their source by the same device. The larger one of the device's value and of
// net.ipv4.conf.all.rp_filter is in force.
bool is_source_check_strict(std::uint32_t rp_filter);
// The same of the device with this name; false if there is none.
bool is_source_check_strict(const std::string& device);

// How many packets that check has dropped, by any device, since the namespace was made.
std::uint64_t packets_with_refused_source();

}  // namespace flannel
