// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "kernel/netlink/netlink_socket.h"
#include "plan/kernel.h"

namespace flannel {

// Reads and changes policies of IPsec, in the network namespace of the thread that calls it first.
// Not thread-safe.
//
// Policies have no mark of the program that made them: ours are known by their form
// (xfrm_messages.h). One of another form with the identity of ours is another program's: it is
// neither replaced (ErrorKind::exists) nor removed.
class IpsecPolicies {
 public:
  // Appends our policies that lead into the networks of the scope. A kernel without IPsec has none,
  // and if the scope wants some: ErrorKind::unsupported. Where they cannot be read and the scope
  // has none, there are none.
  Result<void> read(const Scope& scope, std::vector<Shared<IpsecPolicy>>& policies);
  // Carries out changes of policies, all puts or all removals. `results` has one for each.
  void change(std::span<const KernelChange> changes, std::span<Result<void>> results);

  // The number by which notifications name us; nullopt: nothing was read or written yet.
  std::optional<std::uint32_t> port() const;

 private:
  Result<NetlinkSocket*> socket();
  Result<std::vector<IpsecPolicy>> read_ours();
  Result<bool> is_ours_there(NetlinkSocket& socket, const IpsecPolicy& policy);
  Result<void> replace(NetlinkSocket& socket, const IpsecPolicy& policy);
  Result<void> remove(NetlinkSocket& socket, const IpsecPolicy& policy);

  std::optional<NetlinkSocket> socket_;  // nullopt: not needed yet
};

// All policies of our form, of all networks. A kernel without IPsec has none.
Result<std::vector<IpsecPolicy>> all_policies();
// ErrorKind::not_found: there is none.
Result<void> remove_policy(const IpsecPolicy& policy);

}  // namespace flannel
