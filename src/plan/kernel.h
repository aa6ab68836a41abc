// SPDX-License-Identifier: Apache-2.0
// The kernel as the reconciler sees it. The real one: kernel/objects/linux_kernel.h; the fake for
// tests: tests/support/fake_kernel.h.
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
  put,       // make it so: add, or change what is there under the same identity
  recreate,  // links only: delete and add, because the difference cannot be changed in place
  remove,    // already gone counts as success
};
std::string_view to_string(Op op);

struct KernelChange {
  Op op = Op::put;
  KernelObject object;
  bool operator==(const KernelChange&) const = default;
};

// What belongs to us, so that reading returns that and nothing else: every device named here (if it
// is of a kind we make) with its addresses, neighbours and FDB entries, and every route of our
// protocol in the main table. Addresses that others put on our devices are not ours: only those
// inside `network` (upstream's rule) are. Another daemon on this host may have routes of our
// protocol too: the reconciler leaves alone what neither leaves by a device named here nor leads
// into `network`, so a reader need not tell them apart.
//
// A route to `own_subnet` by a device named here is never desired: that subnet was a peer's once,
// and upstream flannel has left the route. It is read as `foreign`, so that it is removed.
struct Scope {
  std::vector<std::string> link_names;
  Cidr4 network;
  std::optional<Cidr4> own_subnet = {};
};

class Kernel {
 public:
  virtual ~Kernel() = default;

  virtual Result<NetState> read(const Scope& scope) = 0;

  // Carries the changes out in their order, pipelined; one result for each, in the same order.
  // A failed one does not stop those after it.
  virtual std::vector<Result<void>> apply(std::span<const KernelChange> changes) = 0;
};

}  // namespace flannel
