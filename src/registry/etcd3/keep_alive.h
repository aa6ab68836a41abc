// SPDX-License-Identifier: Apache-2.0
// The keep-alives of etcd leases, over one stream that stands from the first of them on:
//
//   no stream ──keep()──▶ opening ──▶ standing ──keep(), answers──▶ standing
//       ▲                    └── it broke, no answer in time, another endpoint is current ──┐
//       ├── nobody waits for an answer ◀────────────────────────────────────────────────────┤
//       └── asked often enough: they hear why                  somebody waits: open again ◀─┘
//
// A stream that breaks while nobody waits is opened again by the next renewal, so the pauses
// between two tries are those of whoever renews. One that has answered before and falls silent
// counts for nothing: another one is opened soon. Where that helps, each stream ends from then
// on as soon as nobody waits. Loop thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/subscription.h"
#include "loop/loop.h"
#include "registry/etcd3/connection.h"

namespace flannel {

class EtcdKeepAlive {
 public:
  using Done = std::function<void(Result<std::chrono::seconds>)>;

  // Both outlive it.
  EtcdKeepAlive(EtcdConnection& connection, Loop& loop) : connection_(connection), loop_(loop) {}

  // Starts the lease's time again; 0 s: there is no such lease any more. `done` in a later turn, as
  // the last thing that happens there: it may end the registry.
  void keep(std::int64_t lease, Done done);

 private:
  struct Waiting {
    std::int64_t lease;
    std::size_t attempts;  // left, with the one under way
    Done done;
  };

  void open();
  void close();
  void ask(const Waiting& waiting);
  void wait_for_answer(std::chrono::milliseconds patience);
  void on_message(const grpc::ByteBuffer& bytes);
  void note_answer();
  void on_silence();
  void on_end(const Error& error, bool waited);

  EtcdConnection& connection_;
  Loop& loop_;
  std::vector<Waiting> waiting_;  // in the order in which they were asked
  SubscriptionPtr unanswered_;
  SubscriptionPtr opening_;  // while a stream that shall be opened has to wait
  TimePoint not_before_{};   // the next stream
  std::unique_ptr<EtcdStream> stream_;
  bool answered_ = false;            // something, by stream_
  std::string replaced_silent_url_;  // the endpoint whose silence made us open stream_, if so
  std::set<std::string>
      one_answer_endpoints_;  // endpoints of which only a fresh stream gets an answer
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace flannel
