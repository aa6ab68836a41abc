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

// A key with more folders in between is not of this prefix, but of another one below it.
NetworkList StoreKeys::networks_of(std::span<const std::string> keys) const {
  constexpr std::string_view kAfter = "/config";
  const std::string before = folder();
  NetworkList list;
  for (std::string_view key : keys) {
    if (!key.starts_with(before) || !key.ends_with(kAfter)) continue;
    key.remove_prefix(before.size());
    if (key.size() < kAfter.size()) continue;
    key.remove_suffix(kAfter.size());
    if (key.find('/') != key.npos) continue;
    (check_network_name(key) ? list.names : list.unusable).emplace_back(key);
  }
  std::ranges::sort(list.names);
  std::ranges::sort(list.unusable);
  return list;
}

std::optional<std::string_view> StoreKeys::below_subnets(std::string_view full) const {
  if (!full.starts_with(subnets)) return std::nullopt;
  return full.substr(subnets.size());
}

}  // namespace flannel
