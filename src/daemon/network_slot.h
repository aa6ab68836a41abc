// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/problem.h"
#include "base/result.h"
#include "daemon/membership.h"
#include "daemon/publisher.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "status/board.h"

namespace flannel {

// One of the networks of a process: this host's part in it, which is made again after it has
// failed, so that a network that cannot be joined costs the others nothing. Loop thread only.
//
//   join ─▶ member ── it cannot go on ──▶ problem ── kPause ──▶ join
class NetworkSlot {
 public:
  // What keeps a host out of a network, such as a device of another one, is rarely over sooner.
  static constexpr std::chrono::seconds kPause{10};

  struct Parts {  // all must outlive the slot
    Membership::Edges edges;
    StatusBoard& board;
    const ProcessIdentity& process;
    std::function<Options()> options;                      // those of this network, as they are now
    std::function<std::optional<DrainNote>()> drained;     // nullopt: this host is not
    std::function<std::vector<Problem>()> other_problems;  // of the process
    std::function<void()> on_state;                        // member() may answer differently
    std::function<void()> on_started;                      // has_started() is true
    std::function<void()> on_published;                    // line() may be another
    // The only network of a process, which has no name, cannot go on. It is not joined again.
    std::function<void(Error)> on_fatal;
  };

  // `name`: empty if it has none.
  NetworkSlot(std::string name, Parts parts);

  // To be called once. A failure of a network without a name is returned, that of another is its
  // problem.
  Result<void> join();

  const std::string& name() const { return name_; }
  // Null while this host has no part in the network.
  Membership* member() const { return member_.get(); }
  // True if the start of the process need not wait for this network: it was ready once, it failed,
  // or, if it has a name, there is no configuration that can be used.
  bool has_started() const { return has_started_; }
  // Returns the state as one line.
  const std::string& line() const { return publisher_.line(); }
  // Publishes the state at once, and not at the end of this turn.
  void publish() { publisher_.publish(); }

 private:
  Publisher::Parts publisher_parts();
  Membership::Events events();
  void on_state();
  void fail_with(Error error);
  void try_again();
  void set_started();

  std::string name_;
  Parts parts_;
  Publisher publisher_;
  std::unique_ptr<Membership> member_;
  std::optional<Problem> failure_;  // of the membership, or of the one before
  bool is_over_ = false;            // the membership has failed, and is to be destroyed
  bool has_started_ = false;
  Timer again_;
};

}  // namespace flannel
