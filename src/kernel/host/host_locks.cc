// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/host_locks.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <utility>

#include "base/lock_file.h"
#include "base/log.h"
#include "base/network_namespace.h"
#include "kernel/host/unix_listeners.h"
#include "net/address.h"

namespace flannel {
namespace {

constexpr std::string_view kPrefix = "flannel/";
// This lock is held while another lock is acquired: if two daemons start at once with overlapping
// networks, the second one sees the network of the first.
constexpr std::uint64_t kGate = 0;

struct UnixAddress {
  sockaddr_un bytes{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

Result<UnixAddress> address_of(std::string_view what) {
  UnixAddress address;
  address.bytes.sun_family = AF_UNIX;
  const std::string name = std::string(kPrefix) + std::string(what);
  if (name.size() >= sizeof(address.bytes.sun_path)) {
    return fail(ErrorKind::invalid, fmt::format("lock {}: the name is too long", what));
  }
  std::copy(name.begin(), name.end(), address.bytes.sun_path + 1);  // a leading NUL: abstract
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

Fd open_socket() {
  return Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

struct Holder {
  pid_t pid = 0;             // 0: unknown
  std::optional<uid_t> uid;  // nullopt: unknown
  bool counts() const { return uid && (*uid == 0 || *uid == ::geteuid()); }
};

// The process that listens at the socket name of `what`. If other processes have filled its queue,
// only the owner of the socket is known, not the process.
Holder holder_of(std::string_view what) {
  const auto address = address_of(what);
  const Fd probe = open_socket();
  if (address && ::connect(probe.get(), address->get(), address->length) == 0) {
    ucred credentials{};
    socklen_t size = sizeof(credentials);
    if (::getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
      return {credentials.pid, credentials.uid};
    }
  }
  const std::string name = std::string(kPrefix) + std::string(what);
  const auto listeners = unix_listeners(name);
  if (!listeners) return {};
  const auto found = std::ranges::find(*listeners, name, &UnixListener::name);
  return found == listeners->end() ? Holder{} : Holder{0, found->owner};
}

// `pid` 0: it is not known.
std::string another_daemon(pid_t pid) {
  return "another flanneld of this host" + (pid > 0 ? fmt::format(", process {}", pid) : "");
}

}  // namespace

// "the network blue of this flanneld"; nullopt: it is none of this process.
std::optional<std::string> HostLocks::own_holder(std::string_view what, pid_t holder) const {
  const auto own = owners_.find(what);
  if (holder != ::getpid() || own == owners_.end()) return std::nullopt;
  return fmt::format("the network {} of this flanneld", own->second);
}

Failure HostLocks::taken(std::string_view what) const {
  const Holder holder = holder_of(what);
  const pid_t pid = holder.counts() ? holder.pid : 0;
  return fail(ErrorKind::exists, fmt::format("{} belongs to {}", what,
                                             own_holder(what, pid).value_or(another_daemon(pid))));
}

// nullopt: a process of a user other than root and our own has the name.
Result<std::optional<Fd>> HostLocks::take_name(std::string_view what) const {
  const UnixAddress address = TRY(address_of(what));
  Fd socket = open_socket();
  if (!socket) return os_error(fmt::format("lock {}: open a socket", what));
  if (::bind(socket.get(), address.get(), address.length) != 0) {
    if (errno != EADDRINUSE) return os_error(fmt::format("lock {}", what));
    const Holder holder = holder_of(what);
    if (holder.counts()) return taken(what);
    log::warning("a process that is no flanneld has the socket name that flanneld uses as a lock",
                 {{"what", what},
                  {"user", holder.uid ? fmt::to_string(*holder.uid) : "unknown"},
                  {"process", holder.pid > 0 ? fmt::to_string(holder.pid) : "unknown"},
                  {"then", "it does not count"}});
    return std::nullopt;
  }
  // No connection is ever accepted. A listening socket lets other processes ask for our process id.
  if (::listen(socket.get(), SOMAXCONN) != 0) return os_error(fmt::format("lock {}: listen", what));
  return socket;
}

// Overlapping networks would capture each other's packets and share tables of rules.
Result<void> HostLocks::check_overlaps(std::string_view what) const {
  const auto network = IpPrefix::parse(what);
  if (!network) return {};
  const auto listeners = unix_listeners(kPrefix);
  if (!listeners) {
    log::verbose(1, "networks of other flanneld's are not looked for",
                 {{"why", listeners.error().text}});
    return {};
  }
  for (const UnixListener& one : *listeners) {
    const std::string name = one.name.substr(kPrefix.size());
    const auto other = IpPrefix::parse(name);
    if (!other || *other == *network || !other->overlaps(*network)) continue;
    const Holder holder = holder_of(name);
    if (!holder.counts()) continue;
    const auto own = own_holder(name, holder.pid);
    return fail(ErrorKind::exists,
                fmt::format("{} overlaps {}, {}; two networks of one host must not overlap", what,
                            name, own.value_or("the network of " + another_daemon(holder.pid))));
  }
  return {};
}

bool is_locked_by_daemon(std::string_view what) {
  return holder_of(what).counts();
}

Result<std::vector<Fd>> HostLocks::acquire(std::string_view what, const std::string& owner) {
  std::vector<Fd> fds;
  auto file = LockFile::open(folder_ + "/claims.lock");
  const auto where = this_network_namespace();
  const bool gate = file && where && file->lock_soon(kGate).value_or(false);
  if (gate) {
    const std::string name = fmt::format("{} {}", *where, what);
    const auto locked = file->lock(LockFile::byte_of(name), LockFile::Kind::exclusive);
    if (locked && !*locked) return taken(what);
  }
  if (auto socket = TRY(take_name(what))) fds.push_back(*std::move(socket));
  TRY(check_overlaps(what));
  if (gate) {
    file->unlock(kGate);
    fds.push_back(file->take_fd());
  }
  if (!owner.empty()) owners_[std::string(what)] = owner;
  return fds;
}

}  // namespace flannel
