// SPDX-License-Identifier: Apache-2.0
// Which of our routes name a next-hop object, and which carry their gateway themselves.
//
// The kernel keeps the next hops of plain IPv4 routes in a hash that leaves the gateway out, so all
// routes of one device share a bucket and 10,000 of them take 2 s to add; with a next-hop object
// for each they take 90 ms. `ip route` shows an object as "nhid N", so a small cluster gets plain
// routes, as upstream makes them: the first `plain_limit` that are in place, and all that have no
// gateway. A route keeps the form that it has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "plan/net_state.h"

namespace flannel {

class RoutePlacement {
 public:
  struct Form {
    std::uint32_t nexthop = 0;  // id of the object, 0: a plain route
    bool fresh = false;         // neither route nor object are in place yet
    std::uint32_t unused = 0;   // id of an object of ours that it will not name any more
  };

  explicit RoutePlacement(std::size_t plain_limit) : plain_limit_(plain_limit) {}

  // A route read from the kernel, with the id of the object that it names and whether that is ours.
  // Of two routes to the same destination the one with an object counts.
  void found(const Route& route, std::uint32_t nexthop, bool nexthop_is_ours);

  // The form for a route that is about to be put, counted as in place from now on.
  Form place(const Route& route);
  // Its object cannot be had: it is put as a plain route.
  void make_plain(const Cidr4& to);
  // It could not be put at all, and was not there before.
  void drop(const Cidr4& to);
  // The form of a route that is about to be removed, counted as gone from now on.
  Form take(const Route& route);

  // This kernel has no next-hop objects (before 5.3).
  void use_plain_only() { plain_limit_ = SIZE_MAX; }

  bool has(const Cidr4& to) const { return placed_.contains(to); }
  bool owns(std::uint32_t nexthop) const { return owners_.contains(nexthop); }

 private:
  struct Placed {
    Ip4 via;
    std::uint32_t nexthop = 0;
    bool nexthop_is_ours = false;
  };

  std::uint32_t free_id_for(const Route& route) const;

  std::size_t plain_limit_;
  std::unordered_map<Cidr4, Placed> placed_;
  std::unordered_map<std::uint32_t, Cidr4> owners_;
};

}  // namespace flannel
