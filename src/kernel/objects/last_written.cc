// SPDX-License-Identifier: Apache-2.0
#include "kernel/objects/last_written.h"

#include <utility>

namespace flannel {
namespace {

template <typename Map, typename Key>
std::optional<typename Map::mapped_type> value_at(const Map& map, const Key& key) {
  const auto at = map.find(key);
  if (at == map.end()) return std::nullopt;
  return at->second;
}

}  // namespace

void LastWritten::renew(const Scope& scope, LastWritten read) {
  for (const std::string& name : scope.link_names) {
    const auto at = links.find(name);
    if (at == links.end()) continue;
    forget_all_on(at->second.index);
    links.erase(at);
  }
  links.merge(read.links);
  for (auto& [link, objects] : read.on_link_)
    on_link_.insert_or_assign(link, std::move(objects));
  routes = std::move(read.routes);
}

bool LastWritten::has_address(int link, const IpAddress& ip) const {
  const auto at = on_link_.find(link);
  return at != on_link_.end() && at->second.addresses.contains(ip);
}

std::optional<Mac> LastWritten::mac(int link, IpAddress neighbour) const {
  const auto at = on_link_.find(link);
  return at == on_link_.end() ? std::nullopt : value_at(at->second.macs, neighbour);
}

std::optional<IpAddress> LastWritten::remote(int link, const Mac& mac) const {
  const auto at = on_link_.find(link);
  return at == on_link_.end() ? std::nullopt : value_at(at->second.remotes, number(mac));
}

std::uint64_t LastWritten::number(const Mac& mac) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : mac.bytes)
    number = number << 8 | byte;
  return number;
}

}  // namespace flannel
