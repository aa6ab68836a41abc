// SPDX-License-Identifier: Apache-2.0
#include "plan/vxlan_device.h"

#include <fmt/format.h>

namespace flannel {

std::string vxlan_name(Family underlay, std::uint32_t vni, int number) {
  const std::string_view family = underlay == Family::v4 ? "" : "-v6";
  if (number == 1) return fmt::format("flannel{}.{}", family, vni);
  return fmt::format("fl{}{}.{}", number, family, vni);
}

bool is_vxlan_name(std::string_view name, std::uint32_t vni) {
  for (const Family family : kFamilies) {
    for (int number = 1; number <= kMostVxlanNumber; ++number) {
      if (name == vxlan_name(family, vni, number)) return true;
    }
  }
  return false;
}

}  // namespace flannel
