// SPDX-License-Identifier: Apache-2.0
#include "daemon/device_number.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "backend/left_backend.h"
#include "plan/vxlan_device.h"

namespace flannel {
namespace {

bool has(std::span<const std::string> names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

Result<int> device_number_for(const Backend& backend, HostFacts host,
                              std::span<const std::string> in_use,
                              std::span<const LeftDevice> left) {
  const AnnouncedBackend announced = backend.announced();
  int first_free = 0;
  for (int number = 1; number <= kMostVxlanNumber; ++number) {
    host.device_number = number;
    const std::vector<std::string> names = device_names(backend, host);
    const auto is_there = [&](const LeftDevice& device) { return has(names, device.link.name); };
    if (std::ranges::any_of(in_use, [&](const auto& name) { return has(names, name); })) continue;
    if (std::ranges::any_of(left, [&](const auto& one) {
          return is_there(one) && backend_of(one.link.kind) == announced;
        })) {
      return number;
    }
    const bool is_left = std::ranges::any_of(
        left, [&](const auto& one) { return is_there(one) && one.is_of_network; });
    if (first_free == 0 && !is_left) first_free = number;
  }
  if (first_free != 0) return first_free;
  return fail(ErrorKind::exhausted, fmt::format("this host has {} backends with VNI {} already",
                                                kMostVxlanNumber, announced.vni));
}

}  // namespace flannel
