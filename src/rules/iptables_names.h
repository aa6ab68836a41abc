// SPDX-License-Identifier: Apache-2.0
// Names of interfaces in the language of iptables. The kernel takes every byte in a name but '/',
// ':' and blanks.
#pragma once

#include <string>
#include <string_view>

namespace flannel {

// `rule`, as iptables-save prints it, in the form in which iptables-restore reads it: the one
// prints names of interfaces as they are, the other wants those with quotes and backslashes quoted.
std::string restorable(std::string_view rule);

// False for a name that ends with '+', which iptables takes for every name that begins with the
// rest; there is no way to write such a name.
bool iptables_can_match(std::string_view interface);

}  // namespace flannel
