// SPDX-License-Identifier: Apache-2.0
#include "registry/store_keys.h"

#include <algorithm>
#include <vector>

#include "base/parse.h"
#include "core/network_name.h"

namespace flannel {
namespace {

std::string join(const std::string& prefix, std::string_view name) {
  if (prefix.empty()) return std::string(name);
  return clean_path(prefix + "/" + std::string(name));
}

}  // namespace

std::string clean_path(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string_view> kept;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      kept.push_back(part);
    } else if (!kept.empty() && kept.back() != "..") {
      kept.pop_back();
    } else if (!rooted) {
      kept.push_back(part);
    }
  }
  std::string clean = rooted ? "/" : "";
  for (const std::string_view part : kept) {
    if (clean.size() > (rooted ? 1U : 0U)) clean += '/';
    clean += part;
  }
  return clean;
}

StoreKeys::StoreKeys(std::string_view text)
    : prefix(clean_path(text)),
      config(join(prefix, "config")),
      subnets(join(prefix, "subnets") + "/") {}

std::optional<std::string> StoreKeys::network_of(std::string_view full) const {
  const std::string before = folder();
  constexpr std::string_view kAfter = "/config";
  if (!full.starts_with(before) || !full.ends_with(kAfter)) return std::nullopt;
  full.remove_prefix(before.size());
  if (full.size() < kAfter.size()) return std::nullopt;
  full.remove_suffix(kAfter.size());
  return check_network_name(full) ? std::optional<std::string>(full) : std::nullopt;
}

std::vector<std::string> StoreKeys::networks_of(std::span<const std::string> keys) const {
  std::vector<std::string> names;
  for (const std::string& key : keys) {
    if (auto name = network_of(key)) names.push_back(*std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

std::optional<std::string_view> StoreKeys::below_subnets(std::string_view full) const {
  if (!full.starts_with(subnets)) return std::nullopt;
  return full.substr(subnets.size());
}

}  // namespace flannel
