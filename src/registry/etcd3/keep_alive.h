// SPDX-License-Identifier: Apache-2.0
// Sends the keep-alives of etcd leases over one stream, which stays open after the first of them:
//
//   no stream ──keep()──▶ opening ──▶ standing ──keep(), answers──▶ standing
//       ▲                    └── it broke, no answer in time, another endpoint is current ──┐
//       ├── no call waits for an answer ◀───────────────────────────────────────────────────┤
//       └── no attempts left: the calls fail                   a call waits: open again ◀───┘
//
// If a stream breaks while no renewal waits, the next renewal opens it again, so the caller's
// pauses are those between two attempts. If a stream that has answered before falls silent, another
// one is opened soon. If that stream answers, the endpoint gives only one answer on each stream,
// and from then on each stream to it ends as soon as no renewal waits. Loop thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/life_token.h"
#include "base/result.h"
#include "base/subscription.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "registry/etcd3/connection.h"

namespace flannel {

class EtcdKeepAlive {
 public:
  using Done = std::function<void(Result<std::chrono::seconds>)>;

  // Both arguments must outlive this object.
  EtcdKeepAlive(EtcdConnection& connection, Loop& loop) : connection_(connection), loop_(loop) {}

  // Renews a lease and passes its remaining time to `done`; 0 s means that the lease does not exist
  // any more. `done` is called in a later turn, as its last action, and may destroy the registry.
  void keep(std::int64_t lease, Done done);

 private:
  struct Waiting {
    std::int64_t lease;
    std::size_t attempts;  // that remain, including the one under way
    Done done;
  };

  void open();
  void close();
  void ask(const Waiting& waiting);
  void on_message(const grpc::ByteBuffer& bytes);
  void note_answer();
  void on_silence();
  void on_end(const Error& error, bool waited);

  EtcdConnection& connection_;
  Loop& loop_;
  std::vector<Waiting> waiting_;  // in the order in which they were asked
  Timer unanswered_{loop_, [this] { on_silence(); }};
  Timer opening_{loop_, [this] { open(); }};  // armed while the next stream must wait
  TimePoint not_before_{};                    // when it may be opened
  std::unique_ptr<EtcdStream> stream_;
  bool answered_ = false;                       // on stream_
  std::string replaced_silent_url_;             // whose silence made us open stream_; empty: none
  std::set<std::string> one_answer_endpoints_;  // where a stream gives one answer only
  LifeToken life_;
};

}  // namespace flannel
