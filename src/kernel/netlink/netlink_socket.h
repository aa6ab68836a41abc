// SPDX-License-Identifier: Apache-2.0
// The request side of netlink: many requests per system call, and a definite outcome for each.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/netlink/netlink_batch.h"
#include "kernel/netlink/netlink_message.h"

namespace flannel {

// Opens a netlink socket with a port of its own, in the network namespace of the calling thread.
// `flags`: SOCK_NONBLOCK, or 0. `receive_buffer`: bytes; privileged callers are not capped by
// rmem_max.
Result<Fd> open_netlink(int protocol, int flags, int receive_buffer);
// Subscribes the socket to the notifications of `group`; false: errno has the reason.
bool join_netlink_group(const Fd& socket, int group);

// The messages of a dump or an answer, without acks and end marks.
class NetlinkReply {
 public:
  NetlinkReader messages() const { return NetlinkReader(bytes_); }

 private:
  friend class NetlinkSocket;
  std::vector<std::byte> bytes_;
};

// A socket in the network namespace of the thread that opened it. Not thread-safe.
class NetlinkSocket {
 public:
  struct Options {
    int receive_buffer = 4 << 20;             // as in open_netlink()
    std::chrono::milliseconds timeout{5000};  // for one answer; the kernel normally answers at once
    std::size_t requests_per_send = 128;
    int protocol = 0;     // NETLINK_ROUTE
    int dump_tries = 20;  // for a dump that races with changes
  };
  static Result<NetlinkSocket> open(Options options);
  static Result<NetlinkSocket> open() { return open(Options{}); }

  // Carries out all requests of `batch` in their order. Returns one outcome for each, in the same
  // order. A failed request does not stop those after it. The kernel answers failures and the last
  // request of each chunk only. If it reports lost answers, the unanswered requests are repeated
  // one by one, so each request must be idempotent. An error reads "netlink RTM_NEWROUTE: Invalid
  // argument (Nexthop has invalid gateway)".
  std::vector<Result<void>> transact(NetlinkBatch& batch);

  // Sends the one request of `request` as a dump, and repeats it while changes interrupt it, so
  // that the result is complete. ErrorKind::unavailable: changes interrupted every attempt.
  Result<NetlinkReply> dump(NetlinkBatch& request);

  // Sends the one request of `request`, whose answer has at most a few messages.
  Result<NetlinkReply> ask(NetlinkBatch& request);

  // The number by which the kernel names us in notifications of our own changes.
  std::uint32_t port() const { return port_; }

 private:
  enum class Arrival { datagram, nothing, lost };
  enum class Collected { all, some_lost, timed_out };

  NetlinkSocket(Fd fd, std::uint32_t port, Options options);

  std::string name_of(std::uint16_t type) const;
  // False: the kernel no longer answers, and the unanswered requests have failed.
  bool transact_chunk(NetlinkBatch& batch, std::size_t first, std::size_t last,
                      std::vector<Result<void>>& outcomes);
  Result<Collected> collect(const NetlinkBatch& batch, std::size_t first, std::size_t last,
                            std::vector<Result<void>>& outcomes, std::vector<bool>& answered);
  // `gap`: parts of the answer may be missing.
  Result<NetlinkReply> exchange(NetlinkBatch& request, std::uint16_t flags, bool& gap);
  Result<void> send(NetlinkBytes bytes);
  // Receives the next datagram from the kernel, valid until the next call; `wait`: waits up to the
  // timeout.
  Result<Arrival> receive(bool wait, NetlinkBytes& datagram);

  Fd fd_;
  std::uint32_t port_ = 0;
  Options options_;
  std::uint32_t next_sequence_ = 1;
  std::vector<std::byte> buffer_;
};

// The rows of a dump that `decode` can decode; the others are of another family.
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
