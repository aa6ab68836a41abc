// SPDX-License-Identifier: Apache-2.0
// The rules of iptables-legacy without its programs: enough to see that nobody changed them.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace flannel {

// Something has made tables of iptables-legacy in the network namespace that the thread is in.
bool legacy_tables_exist();

// The same number as long as the tables raw, nat and filter have the same rules and policies,
// whatever passed them meanwhile. Makes no table. A thousand rules take well under a millisecond.
Result<std::uint64_t> legacy_rules_fingerprint();

}  // namespace flannel
