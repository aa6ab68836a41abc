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

#include "base/clock.h"
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
  // A device of this host with an address in the subnet other than its base, such as a bridge, and
  // that address, as "docker0, which has 10.5.34.1"; empty: none.
  virtual std::string device_in(const IpPrefix& subnet) = 0;
  // A route of this host, as "10.5.0.0/16 dev flannel0", that overlaps the subnet and would keep
  // Docker from choosing it; empty: none.
  virtual std::string route_over(const IpPrefix& subnet) = 0;
  virtual TimePoint now() { return BootClock::now(); }
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
// in use while a device has an address in it, or a container has got one since Docker was started.
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
  explicit DockerPools(State state) : state_(std::move(state)) { note_pools(); }

  const State& state() const { return state_; }

  // Docker has met the plugin for the first time in its life.
  void activate();
  // A call of a replay may have been lost: what it was about may be in use all the same.
  void lose_call() { is_whole_ = false; }
  // Every error is a sentence for the user of `docker network create` or `docker run`.
  Result<IpPrefix> request_pool(const PoolRequest& request, PoolHost& host);
  Result<IpAddress> request_address(const AddressRequest& request, PoolHost& host);
  // What is not known is released already.
  void release_address(const IpPrefix& pool, const IpAddress& address);
  void release_pool(const IpPrefix& pool);

 private:
  // Docker has got a pool, and is about to make the network of it.
  struct Promise {
    TimePoint ends;
    bool has_gateway = false;  // Docker has asked for it
  };

  AddressPool* find(const IpPrefix& subnet);
  AddressPool& add(const std::string& network, const IpPrefix& subnet, PoolHost& host);
  Result<IpPrefix> request_any(const PoolRequest& request, PoolHost& host);
  Result<IpPrefix> request_this(const PoolRequest& request, PoolHost& host);
  Result<IpAddress> request_gateway(AddressPool& pool, const AddressRequest& request,
                                    PoolHost& host);
  Result<IpAddress> request_named(AddressPool& pool, const IpAddress& address);
  Result<IpAddress> take_any(AddressPool& pool, PoolHost& host) const;
  Result<void> check_promise(const IpPrefix& subnet, PoolHost& host) const;
  Result<void> check_lease(const AddressPool& pool, PoolHost& host) const;
  // True if Docker has asked for the pool by name, and for nothing new yet.
  bool in_replay(const AddressPool& pool) const;
  void end_replay(PoolHost& host);
  void note_pools();

  State state_;
  std::map<IpPrefix, Promise> promised_;
  bool is_whole_ = false;        // no call was lost since activate()
  std::set<IpPrefix> before_;    // the pools at activate()
  std::set<IpPrefix> asked_;     // the pools that Docker has asked for by name in the replay
  std::set<IpPrefix> replayed_;  // pools of which Docker has named something since activate()
};

}  // namespace flannel
