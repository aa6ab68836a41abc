// SPDX-License-Identifier: Apache-2.0
// A subnet as an argument of a command, and the record that it names.
#pragma once

#include <string>

#include "base/result.h"
#include "core/lease.h"

namespace flannel {

// Reads "10.5.52.0/24", "fd00:12::/64", both with a comma between them, or a key.
Result<SubnetKey> read_subnets(const std::string& word);

// True if the record with this key has each of the subnets.
bool has_all(const SubnetKey& record, const SubnetKey& subnets);

}  // namespace flannel
