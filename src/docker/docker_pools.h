// SPDX-License-Identifier: Apache-2.0
// What the IPAM driver "flannel" answers to Docker: the pool of a network is this host's subnet,
// and its addresses are given out here. docs/docker.md
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/lease.h"
#include "docker/address_pool.h"
#include "net/address.h"

namespace flannel {

// What the pools ask about the host. Called on the thread of the pools.
class PoolHost {
 public:
  virtual ~PoolHost() = default;
  // The names of the networks of flannel; one that is empty: there is one, without a name.
  virtual std::vector<std::string> networks() = 0;
  // The subnets that containers of this host have in a network of networks(). Fails with the reason
  // if there is none yet.
  virtual Result<SubnetKey> subnets(const std::string& network) = 0;
  // The MTU of containers in a network; 0: not known.
  virtual std::uint32_t mtu(const std::string& network) = 0;
  // The device of this host that has the address; empty: none.
  virtual std::string device_with(const IpAddress& address) = 0;
  // A route of this host, as "10.5.0.0/16 dev flannel0", that overlaps the subnet and would keep
  // Docker from choosing it; empty: none.
  virtual std::string route_over(const IpPrefix& subnet) = 0;
};

struct PoolRequest {
  std::optional<std::string> network{};  // of flannel; nullopt: the only one
  Family family = Family::v4;
  std::optional<IpPrefix> subnet{};  // nullopt: any of the family
};

struct AddressRequest {
  IpPrefix pool;
  std::optional<IpAddress> address{};  // nullopt: any
  bool is_gateway = false;
};

// A value: a copy is made before a change, so that what could not be written down never was.
//
// Docker's calls say neither which network they are for, nor whether a pool that is asked for by
// name is for a new network or for one that Docker had when it was started (a replay). So a pool is
// in use while a device has its gateway, or a container has got an address of it since Docker was
// started.
class DockerPools {
 public:
  struct State {
    std::vector<AddressPool> pools;
    bool may_replay = false;  // Docker has started, and has not asked for anything new yet

    bool operator==(const State&) const = default;
  };

  DockerPools() = default;
  // Goes on with what an earlier process has written down. If there is a replay, calls of it may
  // have been lost.
  explicit DockerPools(State state) : state_(std::move(state)) {}

  const State& state() const { return state_; }

  // Docker has met the plugin for the first time in its life.
  void activate();
  // A call was refused, or could not be read. `names`: it may have named something, which may be in
  // use all the same.
  void refused(bool names);
  // Every error is a sentence for the user of `docker network create` or `docker run`.
  Result<IpPrefix> request_pool(const PoolRequest& request, PoolHost& host);
  Result<IpAddress> request_address(const AddressRequest& request, PoolHost& host);
  // What is not known is released already.
  void release_address(const IpPrefix& pool, const IpAddress& address);
  void release_pool(const IpPrefix& pool);

 private:
  AddressPool* find(const IpPrefix& subnet);
  AddressPool& add(const std::string& network, const IpPrefix& subnet, PoolHost& host);
  Result<IpPrefix> request_any(const PoolRequest& request, PoolHost& host);
  Result<IpPrefix> request_this(const PoolRequest& request, PoolHost& host);
  Result<IpAddress> request_gateway(AddressPool& pool, const AddressRequest& request,
                                    PoolHost& host);
  Result<IpAddress> request_named(AddressPool& pool, const IpAddress& address);
  Failure asked_again(const IpPrefix& subnet, PoolHost& host);
  Result<void> check_lease(const AddressPool& pool, PoolHost& host) const;
  void end_replay(PoolHost& host);

  State state_;
  // Pools that Docker has got, and no container of them yet; true: it has asked for the gateway.
  std::map<IpPrefix, bool> promised_;
  bool is_whole_ = false;        // no call was lost since activate()
  std::set<IpPrefix> replayed_;  // pools of which Docker has named something since activate()
};

}  // namespace flannel
