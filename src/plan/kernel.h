// SPDX-License-Identifier: Apache-2.0
// The reconciler's interface to the kernel. kernel/objects/linux_kernel.h is the real one,
// tests/support/fake_kernel.h the fake for tests.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/net_state.h"

namespace flannel {

enum class Op {
  put,       // add, or change the object that has the same identity
  recreate,  // links only: delete and add, because the difference cannot be changed in place
  remove,    // succeeds if the object is already gone
};
std::string_view to_string(Op op);

struct KernelChange {
  Op op = Op::put;
  KernelObject object;
  bool operator==(const KernelChange&) const = default;
};

// What read() returns: each device in `link_names` (if its kind is one that we make) with its
// addresses, neighbours and FDB entries, all routes of our protocol in the main tables of both
// families, and the policies of IPsec that are ours (plan/ipsec.h) and lead into one of
// `networks`. Addresses on our devices are ours only if they are inside one of `networks`
// (upstream's rule). Another daemon on this host may have routes of our protocol too. A reader need
// not separate those: the reconciler ignores a route that neither leaves by a device in
// `link_names` nor leads into one of `networks`.
//
// A route to one of `own_subnets` by a device in `link_names` is never desired: the subnet was a
// peer's earlier, and upstream flannel left the route behind. read() marks the route `foreign`, so
// that it is removed.
struct Scope {
  std::vector<std::string> link_names;
  std::vector<IpPrefix> networks;          // of the overlay, and earlier ones
  std::vector<IpPrefix> own_subnets = {};  // of this host; empty before there is a lease
  // Link::software_checksums is desired, and is read.
  bool software_checksums = false;
  // Policies of IPsec are desired: a kernel without IPsec cannot be read. False: it has none.
  bool has_policies = false;

  bool has_link(const std::string& name) const;
  bool has_family(Family family) const;           // one of `networks` is of this family
  bool contains(const IpAddress& address) const;  // one of `networks` does
  bool contains(const IpPrefix& net) const;
  bool is_network(const IpPrefix& net) const;
  bool is_own_subnet(const IpPrefix& net) const;
  bool operator==(const Scope&) const = default;
};

class Kernel {
 public:
  virtual ~Kernel() = default;

  virtual Result<NetState> read(const Scope& scope) = 0;

  // Carries the changes out in their order, pipelined. Returns one result for each, in the same
  // order. A failed change does not stop those after it.
  virtual std::vector<Result<void>> apply(std::span<const KernelChange> changes) = 0;
};

}  // namespace flannel
