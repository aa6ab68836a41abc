// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace flannel {

// For people: "970 B", "1.50 kB", "23.0 GB".
inline std::string bytes_text(std::uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double number = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"kB", "MB", "GB", "TB", "PB", "EB"}) {
    if (number < 999.5) break;
    number /= 1000;
    unit = next;
  }
  return fmt::format("{:#.3g} {}", number, unit);
}

}  // namespace flannel
