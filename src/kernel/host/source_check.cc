// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/source_check.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <string_view>

#include "base/file.h"
#include "base/parse.h"

namespace flannel {
namespace {

constexpr std::uint32_t kStrict = 1;

std::optional<std::uint32_t> setting_of(const std::string& device) {
  const auto text = read_file("/proc/sys/net/ipv4/conf/" + device + "/rp_filter");
  if (!text) return std::nullopt;
  const auto value = parse_decimal<std::uint32_t>(std::string_view(*text).substr(0, 1));
  return value ? std::optional(*value) : std::nullopt;
}

}  // namespace

bool is_source_check_strict(std::uint32_t rp_filter) {
  return std::max(rp_filter, setting_of("all").value_or(0)) == kStrict;
}

bool is_source_check_strict(const std::string& device) {
  const auto own = setting_of(device);
  return own && is_source_check_strict(*own);
}

// The file has pairs of lines: names, and below them their numbers.
std::uint64_t packets_with_refused_source() {
  const auto text = read_file("/proc/net/netstat");
  if (!text) return 0;
  std::istringstream lines(*text);
  for (std::string names, numbers; std::getline(lines, names) && std::getline(lines, numbers);) {
    std::istringstream name_words(names), number_words(numbers);
    for (std::string name, number; name_words >> name && number_words >> number;) {
      if (name == "IPReversePathFilter") return parse_decimal<std::uint64_t>(number).value_or(0);
    }
  }
  return 0;
}

}  // namespace flannel
