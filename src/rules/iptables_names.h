// SPDX-License-Identifier: Apache-2.0
// Names of interfaces in rules of iptables. The kernel allows every byte in a name but '/', ':' and
// blanks.
#pragma once

#include <string>
#include <string_view>

namespace flannel {

// Turns `rule` from the form that iptables-save prints into the form that iptables-restore reads.
// The former prints names of interfaces as they are; the latter needs quotes around names that have
// quotes or backslashes.
std::string restorable(std::string_view rule);

// False for a name that ends with '+', which iptables reads as a pattern for every name that begins
// with the rest; there is no way to write such a name.
bool iptables_can_match(std::string_view interface);

}  // namespace flannel
