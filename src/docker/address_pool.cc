// SPDX-License-Identifier: Apache-2.0
#include "docker/address_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace flannel {

// IPv4 has a broadcast address at the end.
IpAddress AddressPool::last_usable() const {
  if (subnet().base.is_v6()) return subnet().last();
  return IpAddress::v4(subnet().last().v4_value() - 1);
}

bool AddressPool::is_usable(const IpAddress& address) const {
  return subnet().host_bits() > 1 && subnet().contains(address) && address != subnet().base &&
         address <= last_usable();
}

std::uint64_t AddressPool::room() const {
  if (subnet().host_bits() < 2) return 0;
  const std::uint64_t steps = last_usable().steps_after(subnet().base, 0);
  return steps == std::numeric_limits<std::uint64_t>::max() ? steps : steps - 1;
}

std::size_t AddressPool::containers() const {
  return state_.addresses.size() - state_.addresses.count(gateway());
}

void AddressPool::doubt_all() {
  for (auto& [address, use] : state_.addresses)
    use = Use::doubtful;
  state_.holders = 0;
}

void AddressPool::free_doubtful() {
  std::erase_if(state_.addresses, [](const auto& one) { return one.second == Use::doubtful; });
}

bool AddressPool::has_doubtful() const {
  return std::ranges::any_of(state_.addresses,
                             [](const auto& one) { return one.second == Use::doubtful; });
}

bool AddressPool::has_containers() const {
  return std::ranges::any_of(state_.addresses, [this](const auto& one) {
    return one.second == Use::taken && one.first != gateway();
  });
}

Result<IpAddress> AddressPool::take_next() {
  IpAddress next = state_.last.value_or(gateway()).plus(1);
  // One of so many addresses in a row is free, or there is none.
  for (std::size_t i = 0; subnet().host_bits() > 1 && i <= state_.addresses.size() + 1; ++i) {
    if (!is_usable(next)) next = subnet().base.plus(1);
    if (next != gateway() && !state_.addresses.contains(next)) {
      state_.addresses.emplace(next, Use::taken);
      state_.last = next;
      return next;
    }
    next = next.plus(1);
  }
  return fail(ErrorKind::exhausted,
              fmt::format("all {} addresses of {}, the subnet of this host, are taken: remove "
                          "containers that are not used, or give hosts larger subnets (SubnetLen)",
                          room(), to_string(subnet())));
}

Result<void> AddressPool::take(const IpAddress& address, bool in_replay) {
  if (!is_usable(address)) {
    return fail(ErrorKind::invalid, fmt::format("no container can have the address {} in {}",
                                                to_string(address), to_string(subnet())));
  }
  const auto found = state_.addresses.find(address);
  const bool is_replay =
      in_replay && found != state_.addresses.end() && found->second == Use::doubtful;
  if (address == gateway() || (found != state_.addresses.end() && !is_replay)) {
    return fail(ErrorKind::exists, fmt::format("the address {} is taken", to_string(address)));
  }
  state_.addresses.insert_or_assign(address, Use::taken);
  return {};
}

Result<void> AddressPool::take_gateway(const IpAddress& address) {
  if (!is_usable(address)) {
    return fail(ErrorKind::invalid, fmt::format("{} cannot be the gateway of {}",
                                                to_string(address), to_string(subnet())));
  }
  state_.gateway = address;
  state_.addresses.insert_or_assign(address, Use::taken);
  return {};
}

void AddressPool::give_back(const IpAddress& address) {
  state_.addresses.erase(address);
}

}  // namespace flannel
