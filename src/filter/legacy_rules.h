// SPDX-License-Identifier: Apache-2.0
// Reads of iptables-legacy, without its programs, as much as shows whether its rules were changed.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "net/address.h"

namespace flannel {

// True if tables of iptables-legacy, or of ip6tables-legacy, exist in the network namespace of the
// calling thread.
bool legacy_tables_exist(Family family);

// The same number as long as the tables raw, nat and filter have the same rules and policies; the
// packet counters do not count. Makes no table. A thousand rules take well under a millisecond.
Result<std::uint64_t> legacy_rules_fingerprint(Family family);

}  // namespace flannel
