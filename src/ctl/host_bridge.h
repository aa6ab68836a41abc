// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "net/address.h"
#include "plan/underlay_choice.h"

namespace flannel {

// The device behind which the containers of this subnet are: one that has an address in it, other
// than the base address, which the device of the overlay has. Empty: there is none.
std::string bridge_of(const IpPrefix& subnet, const HostView& host);

// The device on whose link this address is, of another machine or a container. Empty: none, or it
// is an address of this host.
std::string link_of(const IpAddress& address, const HostView& host);

}  // namespace flannel
