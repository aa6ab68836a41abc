// SPDX-License-Identifier: Apache-2.0
#include "docker/docker_pools_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/json_text.h"
#include "core/network_name.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr std::uint64_t kMostHolders = 1 << 30;

Failure bad_pools(std::string_view what) {
  return fail(ErrorKind::invalid, fmt::format("pools of Docker's networks: {}", what));
}

Json addresses_in(const AddressPool& pool, AddressPool::Use wanted) {
  Json list = Json::array();
  for (const auto& [address, use] : pool.state().addresses) {
    if (use == wanted) list.push_back(to_string(address));
  }
  return list;
}

Json to_json(const AddressPool& pool) {
  const AddressPool::State& state = pool.state();
  return {{"network", state.network},
          {"subnet", to_string(state.subnet)},
          {"gateway", text_or_null(state.gateway)},
          {"last", text_or_null(state.last)},
          {"holders", state.holders},
          {"complete", state.is_complete},
          {"taken", addresses_in(pool, AddressPool::Use::taken)},
          {"doubtful", addresses_in(pool, AddressPool::Use::doubtful)}};
}

// The member of this name; null if `json` is no object or lacks it.
const Json& member_of(const Json& json, std::string_view name) {
  static const Json none;
  if (!json.is_object()) return none;
  const auto found = json.find(name);
  return found == json.end() ? none : *found;
}

Result<IpAddress> address_in(const Json& json, const IpPrefix& subnet) {
  if (!json.is_string()) return bad_pools("an address is no text");
  const auto address = IpAddress::parse(json.get_ref<const std::string&>());
  if (!address || !subnet.contains(*address)) return bad_pools("an address is not in its subnet");
  return *address;
}

Result<std::optional<IpAddress>> address_or_none(const Json& json, const IpPrefix& subnet) {
  if (json.is_null()) return std::nullopt;
  return TRY(address_in(json, subnet));
}

Result<void> read_addresses(const Json& list, AddressPool::Use use, AddressPool::State& pool) {
  if (!list.is_array()) return bad_pools("the addresses are no list");
  for (const Json& one : list) {
    const IpAddress address = TRY(address_in(one, pool.subnet));
    if (!pool.addresses.emplace(address, use).second) return bad_pools("an address is there twice");
  }
  return {};
}

Result<AddressPool> pool_in(const Json& json) {
  const Json& network = member_of(json, "network");
  const Json& subnet = member_of(json, "subnet");
  const Json& holders = member_of(json, "holders");
  const Json& complete = member_of(json, "complete");
  if (!network.is_string() || !subnet.is_string() || !complete.is_boolean() ||
      !holders.is_number_unsigned() || holders.get<std::uint64_t>() > kMostHolders) {
    return bad_pools("a pool lacks its network, its subnet, its holders or whether it is complete");
  }
  AddressPool::State pool{.network = network.get<std::string>(),
                          .subnet = TRY(IpPrefix::parse(subnet.get_ref<const std::string&>())),
                          .holders = holders.get<std::uint32_t>(),
                          .is_complete = complete.get<bool>()};
  if (!pool.network.empty()) TRY(check_network_name(pool.network));
  pool.gateway = TRY(address_or_none(member_of(json, "gateway"), pool.subnet));
  pool.last = TRY(address_or_none(member_of(json, "last"), pool.subnet));
  TRY(read_addresses(member_of(json, "taken"), AddressPool::Use::taken, pool));
  TRY(read_addresses(member_of(json, "doubtful"), AddressPool::Use::doubtful, pool));
  return AddressPool(std::move(pool));
}

}  // namespace

std::string encode_docker_pools(const DockerPools::State& state) {
  Json pools = Json::array();
  for (const AddressPool& pool : state.pools)
    pools.push_back(to_json(pool));
  return json_text(
      {{"version", kVersion}, {"may_replay", state.may_replay}, {"pools", std::move(pools)}});
}

Result<DockerPools::State> decode_docker_pools(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return bad_pools("not a JSON object");
  if (member_of(json, "version") != kVersion) return bad_pools("another version than 1");
  const Json& may_replay = member_of(json, "may_replay");
  const Json& pools = member_of(json, "pools");
  if (!may_replay.is_boolean() || !pools.is_array()) return bad_pools("a member is missing");
  DockerPools::State state{.pools = {}, .may_replay = may_replay.get<bool>()};
  for (const Json& one : pools) {
    AddressPool pool = TRY(pool_in(one));
    if (std::ranges::find(state.pools, pool.subnet(), &AddressPool::subnet) != state.pools.end())
      return bad_pools("a subnet is there twice");
    state.pools.push_back(std::move(pool));
  }
  return state;
}

}  // namespace flannel
