// SPDX-License-Identifier: Apache-2.0
// The request side of netlink: many requests a system call, and a certain outcome for each.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/netlink/netlink_batch.h"
#include "kernel/netlink/netlink_message.h"

namespace flannel {

// A netlink socket with a port of its own, of the network namespace that the thread is in. `flags`:
// SOCK_NONBLOCK, or 0. `receive_buffer`: bytes; privileged callers are not capped by rmem_max.
Result<Fd> open_netlink(int protocol, int flags, int receive_buffer);
// From now on the kernel tells this socket what concerns the group; false: errno says why not.
bool join_netlink_group(const Fd& socket, int group);

// What a dump or a question brought: whole messages, acks and end marks left out.
class NetlinkReply {
 public:
  NetlinkReader messages() const { return NetlinkReader(bytes_); }

 private:
  friend class NetlinkSocket;
  std::vector<std::byte> bytes_;
};

// A socket of the network namespace that the opening thread is in. Not thread-safe.
class NetlinkSocket {
 public:
  struct Options {
    int receive_buffer = 4 << 20;             // as open_netlink()
    std::chrono::milliseconds timeout{5000};  // for one answer; the kernel answers at once
    std::size_t requests_per_send = 128;
    int protocol = 0;     // NETLINK_ROUTE
    int dump_tries = 20;  // of a dump that races with changes
  };
  static Result<NetlinkSocket> open(Options options);
  static Result<NetlinkSocket> open() { return open(Options{}); }

  // Carries out every request of `batch` in its order; one outcome for each, in the same order. A
  // failed one does not stop those after it. Only failures are answered, and the last of each
  // chunk; when the kernel says that answers were lost, the unanswered requests are carried out
  // once more one by one, so each must mean the same the second time.
  // An error reads "netlink RTM_NEWROUTE: Invalid argument (Nexthop has invalid gateway)".
  std::vector<Result<void>> transact(NetlinkBatch& batch);

  // The one request of `request` as a dump, without a gap: repeated while changes interrupt it.
  // ErrorKind::unavailable: they kept doing so.
  Result<NetlinkReply> dump(NetlinkBatch& request);

  // The one request of `request`, answered by at most a few messages.
  Result<NetlinkReply> ask(NetlinkBatch& request);

  // By this number the kernel names us in the notifications of what we changed.
  std::uint32_t port() const { return port_; }

 private:
  enum class Arrival { datagram, nothing, lost };
  enum class Collected { all, some_lost, timed_out };

  NetlinkSocket(Fd fd, std::uint32_t port, Options options);

  // False: the kernel has stopped answering; what is unanswered has failed.
  bool transact_chunk(NetlinkBatch& batch, std::size_t first, std::size_t last,
                      std::vector<Result<void>>& outcomes);
  Result<Collected> collect(const NetlinkBatch& batch, std::size_t first, std::size_t last,
                            std::vector<Result<void>>& outcomes, std::vector<bool>& answered);
  // `gap`: something of the answer may be missing.
  Result<NetlinkReply> exchange(NetlinkBatch& request, std::uint16_t flags, bool& gap);
  Result<void> send(NetlinkBytes bytes);
  // The next datagram from the kernel, valid until the next call; `wait`: up to the timeout.
  Result<Arrival> receive(bool wait, NetlinkBytes& datagram);

  Fd fd_;
  std::uint32_t port_ = 0;
  Options options_;
  std::uint32_t next_sequence_ = 1;
  std::vector<std::byte> buffer_;
};

// The rows of a dump that `decode` knows; the others are of another family.
template <typename Row>
Result<std::vector<Row>> dump_rows(NetlinkSocket& socket, NetlinkBatch& request,
                                   std::optional<Row> (*decode)(NetlinkBytes)) {
  const NetlinkReply reply = TRY(socket.dump(request));
  std::vector<Row> rows;
  NetlinkReader reader = reply.messages();
  while (const auto message = reader.next()) {
    if (auto row = decode(message->payload)) rows.push_back(*std::move(row));
  }
  return rows;
}

// The first row of an answer.
template <typename Row>
Result<std::optional<Row>> ask_row(NetlinkSocket& socket, NetlinkBatch& request,
                                   std::optional<Row> (*decode)(NetlinkBytes)) {
  const NetlinkReply reply = TRY(socket.ask(request));
  const auto message = reply.messages().next();
  return message ? decode(message->payload) : std::nullopt;
}

}  // namespace flannel
