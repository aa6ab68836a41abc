// SPDX-License-Identifier: Apache-2.0
#include "kernel/objects/ipsec_policies.h"

#include <fmt/format.h>
#include <linux/netlink.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

#include "kernel/netlink/xfrm_messages.h"

namespace flannel {
namespace {

// To open a socket of IPsec loads its module. The kernel has one of its own in each network
// namespace as soon as it is loaded, and this file lists them, with the protocol in the second
// column.
bool has_module() {
  std::ifstream sockets("/proc/net/netlink");
  std::string socket, protocol, rest;
  while (sockets >> socket >> protocol && std::getline(sockets, rest)) {
    if (protocol == std::to_string(NETLINK_XFRM)) return true;
  }
  return false;
}

Result<NetlinkSocket> open_socket() {
  auto socket = NetlinkSocket::open(NetlinkSocket::Options{.protocol = NETLINK_XFRM});
  if (socket || socket.error().kind != ErrorKind::unsupported) return socket;
  return fail(ErrorKind::unsupported,
              "this kernel has no IPsec: its module may be missing (modprobe xfrm_user)");
}

Result<std::vector<IpsecPolicy>> read_all(NetlinkSocket& socket) {
  NetlinkBatch request;
  dump_policies(request);
  return dump_rows(socket, request, decode_policy);
}

const IpsecPolicy& policy_of(const KernelChange& change) {
  return *std::get<Shared<IpsecPolicy>>(change.object);
}

Result<void> transact_one(NetlinkSocket& socket, NetlinkBatch& batch) {
  return std::move(socket.transact(batch).front());
}

}  // namespace

Result<NetlinkSocket*> IpsecPolicies::socket() {
  if (!socket_) socket_ = TRY(open_socket());
  return &*socket_;
}

std::optional<std::uint32_t> IpsecPolicies::port() const {
  return socket_ ? std::optional(socket_->port()) : std::nullopt;
}

Result<std::vector<IpsecPolicy>> IpsecPolicies::read_ours() {
  NetlinkSocket* const socket = TRY(this->socket());
  return read_all(*socket);
}

Result<void> IpsecPolicies::read(const Scope& scope, std::vector<Shared<IpsecPolicy>>& policies) {
  if (!socket_ && !scope.has_policies && !has_module()) return {};
  auto found = read_ours();
  if (!found && !scope.has_policies) return {};  // then none of them is ours to repair
  if (!found) return Failure(std::move(found).error());
  for (IpsecPolicy& policy : *found) {
    if (scope.contains(policy.to)) policies.emplace_back(std::move(policy));
  }
  return {};
}

void IpsecPolicies::change(std::span<const KernelChange> changes, std::span<Result<void>> results) {
  const auto socket = this->socket();
  if (!socket) {
    std::ranges::fill(results, Failure(socket.error()));
    return;
  }
  const bool removes = changes.front().op == Op::remove;
  NetlinkBatch batch;
  for (const KernelChange& change : changes) {
    if (!removes) add_policy(batch, policy_of(change));
  }
  if (!removes) std::ranges::move((*socket)->transact(batch), results.begin());
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const IpsecPolicy& policy = policy_of(changes[i]);
    if (removes) {
      results[i] = remove(**socket, policy);
    } else if (!results[i] && results[i].error().kind == ErrorKind::exists) {
      results[i] = replace(**socket, policy);
    }
    if (results[i]) continue;
    const std::string what = fmt::format("{} {}", to_string(changes[i].op), to_string(policy));
    results[i] = Failure(std::move(results[i].error()).during(what));
  }
}

// ErrorKind::not_found: there is none with this identity.
Result<bool> IpsecPolicies::is_ours_there(NetlinkSocket& socket, const IpsecPolicy& policy) {
  NetlinkBatch request;
  get_policy(request, policy);
  return TRY(ask_row(socket, request, decode_policy)).has_value();
}

Result<void> IpsecPolicies::replace(NetlinkSocket& socket, const IpsecPolicy& policy) {
  if (!TRY(is_ours_there(socket, policy))) {
    return fail(ErrorKind::exists,
                "another program has a policy for the same packets, which is left alone; remove it "
                "there, or by \"ip xfrm policy delete\"");
  }
  NetlinkBatch batch;
  replace_policy(batch, policy);
  return transact_one(socket, batch);
}

Result<void> IpsecPolicies::remove(NetlinkSocket& socket, const IpsecPolicy& policy) {
  const auto is_ours = is_ours_there(socket, policy);
  const bool is_gone = is_ours ? !*is_ours : is_ours.error().kind == ErrorKind::not_found;
  if (is_gone) return {};
  TRY(is_ours);
  NetlinkBatch batch;
  delete_policy(batch, policy);
  return transact_one(socket, batch);
}

Result<std::vector<IpsecPolicy>> all_policies() {
  if (!has_module()) return std::vector<IpsecPolicy>();
  NetlinkSocket socket = TRY(open_socket());
  return read_all(socket);
}

Result<void> remove_policy(const IpsecPolicy& policy) {
  NetlinkSocket socket = TRY(open_socket());
  NetlinkBatch batch;
  delete_policy(batch, policy);
  return transact_one(socket, batch);
}

}  // namespace flannel
