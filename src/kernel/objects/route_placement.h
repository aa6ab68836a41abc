// SPDX-License-Identifier: Apache-2.0
// Decides which of our routes name a next-hop object, and which have the gateway in the route
// itself.
//
// The kernel stores the next hops of plain IPv4 routes in a hash table whose key lacks the gateway.
// All routes of one device therefore share a bucket, and 10,000 of them take 2 s to add; with a
// next-hop object for each they take 90 ms. `ip route` shows an object as "nhid N", so a small
// cluster gets plain routes, as in upstream: the first `plain_limit` routes and all routes without
// a gateway. IPv6 has no such table (10,000 plain routes take 100 ms), so its routes are always
// plain. An existing route does not change its form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>

#include "plan/net_state.h"

namespace flannel {

class RoutePlacement {
 public:
  // New ids are in this range of 2^24. Its begin is our route protocol's number; the kernel and
  // routing daemons count from 1. Within the range the search for a free one begins where the
  // subnet of the first new object leads it, so that two daemons on one host do not choose the same
  // ids.
  static constexpr std::uint32_t kFirstId = std::uint32_t{kRouteProtocol} << 24;
  static constexpr std::uint32_t kIds = 1U << 24;

  struct Form {
    std::uint32_t nexthop = 0;  // id of the object, 0: a plain route
    bool fresh = false;         // neither the route nor the object exists yet
    std::uint32_t unused = 0;   // id of an object of ours that the route no longer names
  };

  explicit RoutePlacement(std::size_t plain_limit) : plain_limit_(plain_limit) {}

  // Makes room for this many routes and next-hop objects of the kernel.
  void reserve(std::size_t routes, std::size_t nexthops);

  // Records a route read from the kernel, with the id of the object that it names and whether that
  // object is ours. If two routes have the same destination, the one with an object is recorded.
  void found(const Route& route, std::uint32_t nexthop, bool nexthop_is_ours);

  // Returns the form for a route that is about to be put, and records the route as put.
  Form place(const Route& route);
  // Records that the route's object cannot be made: the route becomes a plain one.
  void make_plain(const IpPrefix& to);
  // Forgets a route that could not be put and did not exist before.
  void drop(const IpPrefix& to);
  // Returns the form of a route that is about to be removed, and forgets the route.
  Form take(const Route& route);

  // No new object gets the id of this existing one. Ids that an earlier release chose, which were
  // the numbers of IPv4 subnets, stay in use as long as their routes.
  void keep_clear_of(std::uint32_t nexthop) { existing_.insert(nexthop); }

  // For kernels without next-hop objects (before 5.3).
  void use_plain_only() { plain_limit_ = SIZE_MAX; }

  bool has(const IpPrefix& to) const { return placed_.contains(to); }
  bool owns(std::uint32_t nexthop) const { return owners_.contains(nexthop); }

 private:
  struct Placed {
    IpAddress via;
    std::uint32_t nexthop = 0;
    bool nexthop_is_ours = false;
  };

  std::uint32_t free_id(const IpPrefix& to);

  std::size_t plain_limit_;
  std::unordered_map<IpPrefix, Placed> placed_;
  std::size_t placed_v4_ = 0;
  std::unordered_set<std::uint32_t> existing_;
  std::uint32_t next_id_ = 0;  // 0: no id was needed yet
  std::unordered_map<std::uint32_t, IpPrefix> owners_;
};

}  // namespace flannel
