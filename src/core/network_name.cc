// SPDX-License-Identifier: Apache-2.0
#include "core/network_name.h"

#include <algorithm>

#include "base/printable.h"

namespace flannel {
namespace {

constexpr std::string_view kLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

}  // namespace

Result<void> check_network_name(std::string_view name) {
  if (name == "config" || name == "subnets" || name.ends_with("-health")) {
    return fail(ErrorKind::invalid,
                in_quotes(name) + " cannot be the name of a network, for it is a key of another");
  }
  const auto is_letter = [](char one) { return kLetters.find(one) != kLetters.npos; };
  const bool is_name = !name.empty() && name.size() <= kLongestNetworkName &&
                       is_letter(name.front()) && std::ranges::all_of(name, [&](char one) {
                         return is_letter(one) || one == '-' || one == '_' || one == '.';
                       });
  if (is_name) return {};
  return fail(ErrorKind::invalid,
              in_quotes(name) +
                  " is no name of a network: up to 32 letters, digits, \"-\", \"_\" and \".\", "
                  "of which the first is a letter or a digit");
}

std::string prefix_of_network(std::string_view prefix, std::string_view name) {
  if (name.empty()) return std::string(prefix);
  while (prefix.ends_with('/'))
    prefix.remove_suffix(1);
  return std::string(prefix).append("/").append(name);
}

std::string prefix_without_network(std::string_view prefix, std::string_view name) {
  if (!name.empty()) prefix.remove_suffix(name.size() + 1);
  return prefix.empty() ? "/" : std::string(prefix);
}

}  // namespace flannel
