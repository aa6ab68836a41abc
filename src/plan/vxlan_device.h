// SPDX-License-Identifier: Apache-2.0
// How the vxlan devices of a host are recognised: upstream's name, or one of the names beside it.
// A host has several devices of one VNI while its hosts change from one port to another.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/address.h"

namespace flannel {

// One digit, so that the name of no VNI becomes longer than upstream's.
inline constexpr int kMostVxlanNumber = 9;

// `underlay`: the family of the packets outside. `number`: 1 is upstream's name, flannel.VNI or
// flannel-v6.VNI; 2 to kMostVxlanNumber are fl2.VNI, fl2-v6.VNI and so on.
std::string vxlan_name(Family underlay, std::uint32_t vni, int number);
// True if the name is one of these.
bool is_vxlan_name(std::string_view name, std::uint32_t vni);

}  // namespace flannel
