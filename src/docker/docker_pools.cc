// SPDX-License-Identifier: Apache-2.0
#include "docker/docker_pools.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/printable.h"

namespace flannel {
namespace {

// After it Docker has made the network that it has got a pool for, or given up.
constexpr auto kPromise = std::chrono::seconds(10);

std::string of_network(const std::string& name) {
  return name.empty() ? "the flannel network" : "the flannel network " + name;
}

Result<std::string> network_of(const PoolRequest& request, PoolHost& host) {
  const auto all = host.networks();
  if (!request.network && all.size() == 1) return all.front();
  const std::string names = fmt::format("{}", fmt::join(all, ", "));
  if (!request.network) {
    return fail(ErrorKind::invalid,
                fmt::format("flanneld has the networks {}: --ipam-opt network=NAME says which one "
                            "this is to be",
                            names));
  }
  if (std::ranges::find(all, *request.network) != all.end()) return *request.network;
  if (all.size() == 1 && all.front().empty()) {
    return fail(ErrorKind::not_found,
                fmt::format("flanneld has one network, which has no name, and not {}: leave "
                            "--ipam-opt network out, or start flanneld with --networks",
                            in_quotes(shortened(*request.network))));
  }
  return fail(ErrorKind::not_found, fmt::format("flanneld has no network {}; it has {}",
                                                in_quotes(shortened(*request.network)), names));
}

Result<IpPrefix> own_subnet(const std::string& network, Family family, PoolHost& host) {
  const SubnetKey subnets = TRY_DURING(
      host.subnets(network), "this host has no subnet in " + of_network(network) + " yet");
  if (const auto& subnet = subnets.at(family)) return *subnet;
  return fail(ErrorKind::invalid,
              fmt::format("{} has no {}: {}", of_network(network), to_string(family),
                          family == Family::v6 ? "create the network without --ipv6"
                                               : "create the network with --ipv4=false"));
}

// Returns the network in which this host has the subnet.
Result<std::string> network_with(const IpPrefix& subnet, const PoolRequest& request,
                                 PoolHost& host) {
  std::vector<std::string> candidates = host.networks();
  if (request.network || candidates.size() == 1) candidates = {TRY(network_of(request, host))};
  std::vector<std::string> others;
  std::optional<Error> unknown;
  for (const std::string& network : candidates) {
    auto own = own_subnet(network, subnet.family(), host);
    if (own && *own == subnet) return network;
    if (own) others.push_back(to_string(*own));
    if (!own) unknown = std::move(own).error();
  }
  if (unknown) return Failure(*unknown);
  return fail(ErrorKind::invalid,
              fmt::format("{} is not the subnet of this host, which is {}: containers in it would "
                          "not be reached; create the network without --subnet, or with the right "
                          "one. A network that was made earlier has the subnet that the host had: "
                          "remove its containers and the network, and create it again",
                          to_string(subnet), fmt::join(others, " or ")));
}

bool is_alive(const AddressPool& pool, PoolHost& host) {
  return pool.has_containers() || !host.device_in(pool.subnet()).empty();
}

// Fails if the subnet is in use. `pool`: null if Docker has none of it.
Result<void> check_unused(const IpPrefix& subnet, const AddressPool* pool, PoolHost& host) {
  if (const std::string device = host.device_in(subnet); !device.empty()) {
    return fail(
        ErrorKind::exists,
        fmt::format("{}, the subnet of this host, is in use by {}: one Docker network has it, to "
                    "which containers can be attached; another one needs another flannel network "
                    "(--ipam-opt network=NAME); where --docker-network or --bip has made it, leave "
                    "that flag out, and remove it",
                    to_string(subnet), device));
  }
  if (pool == nullptr || !pool->has_containers()) return {};
  return fail(ErrorKind::exists,
              fmt::format("{}, the subnet of this host, is in use by containers of another Docker "
                          "network; if there are none, restart Docker, which reports what it has",
                          to_string(subnet)));
}

}  // namespace

AddressPool* DockerPools::find(const IpPrefix& subnet) {
  const auto found = std::ranges::find(state_.pools, subnet, &AddressPool::subnet);
  return found == state_.pools.end() ? nullptr : &*found;
}

// Removes what is left of earlier networks. A pool with the same subnet is not alive.
AddressPool& DockerPools::add(const std::string& network, const IpPrefix& subnet, PoolHost& host) {
  std::erase_if(state_.pools, [&](const AddressPool& pool) {
    if (pool.subnet() == subnet) return true;
    const bool is_earlier =
        pool.subnet().family() == subnet.family() && pool.state().network == network;
    return is_earlier && !state_.may_replay && !is_alive(pool, host);
  });
  // Without a device in it no container runs that Docker might not have named yet.
  const bool is_complete = !state_.may_replay || host.device_in(subnet).empty();
  return state_.pools.emplace_back(
      AddressPool::State{.network = network, .subnet = subnet, .is_complete = is_complete});
}

void DockerPools::note_pools() {
  for (const AddressPool& pool : state_.pools)
    before_.insert(pool.subnet());
}

void DockerPools::activate() {
  for (AddressPool& pool : state_.pools)
    pool.doubt_all();
  state_.may_replay = true;
  is_whole_ = true;
  asked_.clear();
  replayed_.clear();
  promised_.clear();
  before_.clear();
  note_pools();
}

bool DockerPools::in_replay(const AddressPool& pool) const {
  return state_.may_replay && asked_.contains(pool.subnet());
}

void DockerPools::end_replay(PoolHost& host) {
  if (!std::exchange(state_.may_replay, false)) return;
  for (AddressPool& pool : state_.pools) {
    if (!is_whole_ || !replayed_.contains(pool.subnet())) continue;
    pool.set_complete();
    pool.free_doubtful();
  }
  std::erase_if(state_.pools, [&](const AddressPool& pool) {
    return pool.state().holders == 0 && !is_alive(pool, host);
  });
}

Result<IpPrefix> DockerPools::request_pool(const PoolRequest& request, PoolHost& host) {
  return request.subnet ? request_this(request, host) : request_any(request, host);
}

// Docker asks for another pool if that which it got overlaps a route, and again, without an end.
Result<void> DockerPools::check_promise(const IpPrefix& subnet, PoolHost& host) const {
  const auto promise = promised_.find(subnet);
  if (promise == promised_.end() || promise->second.ends <= host.now()) return {};
  const std::string route = host.route_over(subnet);
  const std::string own = to_string(subnet);
  if (route.empty() || promise->second.has_gateway) {
    return fail(ErrorKind::exists,
                fmt::format("{}, the subnet of this host, is just being given to another Docker "
                            "network; if not, try again in ten seconds",
                            own));
  }
  return fail(ErrorKind::exists,
              fmt::format("{}, the subnet of this host, overlaps the route {}, and Docker takes it "
                          "only if it is named: add --subnet={}",
                          own, route, own));
}

Result<IpPrefix> DockerPools::request_any(const PoolRequest& request, PoolHost& host) {
  end_replay(host);
  const std::string network = TRY(network_of(request, host));
  const IpPrefix subnet = TRY(own_subnet(network, request.family, host));
  TRY(check_unused(subnet, find(subnet), host));
  TRY(check_promise(subnet, host));
  add(network, subnet, host).hold();
  promised_[subnet] = {.ends = host.now() + kPromise};
  return subnet;
}

// For a network with --subnet, or one that Docker had when it was started.
Result<IpPrefix> DockerPools::request_this(const PoolRequest& request, PoolHost& host) {
  const IpPrefix subnet = *request.subnet;
  AddressPool* pool = find(subnet);
  TRY(check_promise(subnet, host));
  if (!state_.may_replay) {
    TRY(check_unused(subnet, pool, host));
    pool = nullptr;
  }
  if (pool == nullptr) pool = &add(TRY(network_with(subnet, request, host)), subnet, host);
  if (state_.may_replay) {
    asked_.insert(subnet);
  } else {
    promised_[subnet] = {.ends = host.now() + kPromise};
  }
  pool->hold();
  return subnet;
}

// Before the lease is known again, after a reboot, the addresses are given all the same.
Result<void> DockerPools::check_lease(const AddressPool& pool, PoolHost& host) const {
  const auto own = host.subnets(pool.state().network);
  if (!own || own->at(pool.subnet().family()) == pool.subnet()) return {};
  const auto& now = own->at(pool.subnet().family());
  return fail(ErrorKind::conflict,
              fmt::format("this network has {}, which was the subnet of this host; it is {} now, "
                          "and new containers in the old one would not be reached: remove the "
                          "containers and the network, and create it again",
                          to_string(pool.subnet()), now ? to_string(*now) : "none"));
}

Result<IpAddress> DockerPools::request_address(const AddressRequest& request, PoolHost& host) {
  if (!request.address) end_replay(host);
  AddressPool* pool = find(request.pool);
  if (pool == nullptr || (!request.address && !pool->state().is_complete)) {
    return fail(ErrorKind::not_found,
                fmt::format("flanneld does not know which addresses of {} have containers: restart "
                            "Docker, which reports them",
                            to_string(request.pool)));
  }
  if (request.is_gateway) return request_gateway(*pool, request, host);
  promised_.erase(request.pool);
  const auto given =
      request.address ? request_named(*pool, *request.address) : take_any(*pool, host);
  // Only a network asks for addresses, also one that Docker has not named since its start.
  if (given && pool->state().holders == 0) pool->hold();
  return given;
}

// A replay names the gateway, and a new network need not. A pool whose network lives keeps its own.
Result<IpAddress> DockerPools::request_gateway(AddressPool& pool, const AddressRequest& request,
                                               PoolHost& host) {
  if (const auto promise = promised_.find(pool.subnet()); promise != promised_.end())
    promise->second.has_gateway = true;
  const IpAddress gateway = request.address.value_or(pool.gateway());
  if (gateway != pool.gateway() && is_alive(pool, host)) {
    return fail(ErrorKind::exists,
                fmt::format("{} is in use, with the gateway {}", to_string(pool.subnet()),
                            to_string(pool.gateway())));
  }
  TRY(pool.take_gateway(gateway));
  if (request.address && in_replay(pool)) replayed_.insert(pool.subnet());
  return gateway;
}

Result<IpAddress> DockerPools::request_named(AddressPool& pool, const IpAddress& address) {
  TRY(pool.take(address, in_replay(pool)));
  if (in_replay(pool)) replayed_.insert(pool.subnet());
  return address;
}

Result<IpAddress> DockerPools::take_any(AddressPool& pool, PoolHost& host) const {
  TRY(check_lease(pool, host));
  return pool.take_next();
}

// The gateway stays that of the pool as long as there is the pool.
void DockerPools::release_address(const IpPrefix& subnet, const IpAddress& address) {
  if (AddressPool* pool = find(subnet)) pool->give_back(address);
}

// What was there before Docker started is given back for a network that Docker could not restore,
// and whose containers may run all the same; or for another one, beside which it could not be made.
void DockerPools::release_pool(const IpPrefix& subnet) {
  promised_.erase(subnet);
  asked_.erase(subnet);
  replayed_.erase(subnet);
  AddressPool* pool = find(subnet);
  if (pool == nullptr || !pool->let_go()) return;
  if (pool->has_doubtful() || (state_.may_replay && before_.contains(subnet))) return;
  std::erase_if(state_.pools, [&](const AddressPool& one) { return one.subnet() == subnet; });
}

}  // namespace flannel
