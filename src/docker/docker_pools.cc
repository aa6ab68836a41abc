// SPDX-License-Identifier: Apache-2.0
#include "docker/docker_pools.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/printable.h"

namespace flannel {
namespace {

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
                            in_quotes(*request.network)));
  }
  return fail(ErrorKind::not_found, fmt::format("flanneld has no network {}; it has {}",
                                                in_quotes(*request.network), names));
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
  for (const std::string& network : candidates) {
    const auto own = own_subnet(network, subnet.family(), host);
    if (own && *own == subnet) return network;
    if (own) others.push_back(to_string(*own));
    if (!own && candidates.size() == 1) return Failure(own.error());
  }
  return fail(
      ErrorKind::invalid,
      fmt::format("{} is not the subnet of this host, which is {}: containers in it would "
                  "not be reached; create the network without --subnet, or with the right "
                  "one. A network that was made earlier has the subnet that the host had: "
                  "remove its containers and the network, and create it again",
                  to_string(subnet),
                  others.empty() ? "not known" : fmt::format("{}", fmt::join(others, " or "))));
}

Failure in_use(const IpPrefix& subnet, const IpAddress& gateway, const std::string& device) {
  return fail(ErrorKind::exists,
              fmt::format("{}, the subnet of this host, is in use by {}, which has {}: one Docker "
                          "network has it, to which containers can be attached; another one needs "
                          "another flannel network (--ipam-opt network=NAME)",
                          to_string(subnet), device, to_string(gateway)));
}

// Docker asks for another pool if that which it got overlaps a route, and again, without an end.
Failure asked_again(const IpPrefix& subnet, PoolHost& host) {
  const std::string route = host.route_over(subnet);
  if (route.empty()) {
    return fail(ErrorKind::exists, fmt::format("{}, the subnet of this host, is just being given "
                                               "to another Docker network",
                                               to_string(subnet)));
  }
  return fail(ErrorKind::exists,
              fmt::format("{}, the subnet of this host, overlaps the route {}, and Docker takes it "
                          "only if it is named: add --subnet={}",
                          to_string(subnet), route, to_string(subnet)));
}

}  // namespace

AddressPool* DockerPools::find(const IpPrefix& subnet) {
  const auto found = std::ranges::find(state_.pools, subnet, &AddressPool::subnet);
  return found == state_.pools.end() ? nullptr : &*found;
}

// A Docker network has a bridge with the gateway while it lives. What is left of others goes.
AddressPool& DockerPools::add(const std::string& network, const IpPrefix& subnet, PoolHost& host) {
  std::erase_if(state_.pools, [&](const AddressPool& pool) {
    return pool.subnet().family() == subnet.family() && pool.state().network == network &&
           host.device_with(pool.gateway()).empty();
  });
  return state_.pools.emplace_back(AddressPool::State{.network = network, .subnet = subnet});
}

void DockerPools::activate() {
  for (AddressPool& pool : state_.pools)
    pool.doubt_all();
  state_.may_replay = true;
  promised_.reset();
}

void DockerPools::end_replay() {
  for (AddressPool& pool : state_.pools)
    pool.end_replay();
  state_.may_replay = false;
}

Result<IpPrefix> DockerPools::request_pool(const PoolRequest& request, PoolHost& host) {
  return request.subnet ? request_this(request, host) : request_any(request, host);
}

Result<IpPrefix> DockerPools::request_any(const PoolRequest& request, PoolHost& host) {
  end_replay();
  const std::string network = TRY(network_of(request, host));
  const IpPrefix subnet = TRY(own_subnet(network, request.family, host));
  const AddressPool* known = find(subnet);
  const IpAddress gateway = known == nullptr ? subnet.base.plus(1) : known->gateway();
  const std::string device = host.device_with(gateway);
  if (!device.empty()) return in_use(subnet, gateway, device);
  if (promised_ == subnet) return asked_again(subnet, host);
  add(network, subnet, host).hold();
  promised_ = subnet;
  return subnet;
}

// For a network with --subnet, or one that Docker had when it was started. A pool that Docker has
// not asked for since then, and that has no bridge, is left over.
Result<IpPrefix> DockerPools::request_this(const PoolRequest& request, PoolHost& host) {
  AddressPool* pool = find(*request.subnet);
  const bool is_over =
      pool != nullptr && !state_.may_replay && host.device_with(pool->gateway()).empty();
  if (pool == nullptr || is_over) {
    pool = &add(TRY(network_with(*request.subnet, request, host)), *request.subnet, host);
  }
  pool->hold();
  return pool->subnet();
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

// A replay names the gateway, and a new network does not.
Result<IpAddress> DockerPools::request_gateway(AddressPool& pool, const AddressRequest& request) {
  if (!request.address) end_replay();
  if (state_.may_replay) pool.begin_replay();
  const IpAddress gateway = request.address.value_or(pool.gateway());
  TRY(pool.take_gateway(gateway));
  return gateway;
}

Result<IpAddress> DockerPools::request_address(const AddressRequest& request, PoolHost& host) {
  promised_.reset();
  AddressPool* pool = find(request.pool);
  if (pool == nullptr) {
    return fail(ErrorKind::not_found,
                fmt::format("flanneld does not know which addresses of {} have containers: restart "
                            "Docker, which reports them",
                            to_string(request.pool)));
  }
  if (request.is_gateway) return request_gateway(*pool, request);
  if (request.address) {
    TRY(pool->take(*request.address));
    return *request.address;
  }
  end_replay();
  TRY(check_lease(*pool, host));
  return pool->take_next();
}

// The gateway stays that of the pool as long as there is the pool.
void DockerPools::release_address(const IpPrefix& subnet, const IpAddress& address) {
  if (AddressPool* pool = find(subnet)) pool->give_back(address);
}

void DockerPools::release_pool(const IpPrefix& subnet) {
  if (promised_ == subnet) promised_.reset();
  AddressPool* pool = find(subnet);
  if (pool == nullptr || !pool->let_go()) return;
  std::erase_if(state_.pools, [&](const AddressPool& one) { return one.subnet() == subnet; });
}

}  // namespace flannel
