// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/fd.h"
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
//   join ─▶ member ── it cannot go on ──▶ problem ── kPauses ──▶ join
//
// With --networks=* the host leaves a network that is gone from the store:
//
//   joined ── gone, and not in use here ──▶ withdrawing ── no lease, still not in use ──▶ removing
//     ▲                                          │                                           │
//     └──────── it is there again, or in use ────┘                       nothing left ──▶ has_left
class NetworkSlot {
 public:
  // Until a network that could not be joined is tried again: what keeps a host out is of this host,
  // or of the configuration.
  static constexpr Backoff kPauses{std::chrono::seconds(2), std::chrono::seconds(30)};

  // What other networks of the process must know of one.
  struct Territory {
    std::vector<IpPrefix> ranges;    // empty before its configuration is known
    std::vector<std::string> peers;  // networks that packets may pass to, if these say so, too
    bool operator==(const Territory&) const = default;
  };

  struct Parts {  // all must outlive the slot
    Membership::Edges edges;
    StatusBoard& board;
    const ProcessIdentity& process;
    std::function<Options()> options;                      // those of this network, as they are now
    std::function<std::optional<DrainNote>()> drained;     // nullopt: this host is not
    std::function<std::vector<Problem>()> other_problems;  // of the process
    std::function<void()> on_territory;                    // territory() is another one
    std::function<void()> on_started;                      // has_started() is true
    std::function<void()> on_published;                    // line() may be another
    std::function<void()> on_left;                         // has_left() is true
    // Returns what uses the network besides what Membership::used_by() finds; nullopt: nothing.
    std::function<std::optional<std::string>()> used_by = [] { return std::nullopt; };
    // With --networks=*: the subnet file was not locked at the start.
    bool locks_subnet_file = false;
    // The only network of a process, which has no name, cannot go on. It is not joined again.
    std::function<void(Error)> on_fatal;
  };

  // `name`: empty if it has none.
  NetworkSlot(std::string name, Parts parts);

  // To be called once. A failure of a network without a name is returned, that of another is its
  // problem.
  Result<void> join();

  // Whether the lists of the store have the network, with --networks=*.
  void set_listed(bool listed);
  // True if this host has left the network, so that the slot is to be destroyed, in a turn of its
  // own.
  bool has_left() const { return stage_ == Stage::left; }

  const std::string& name() const { return name_; }
  const Territory& territory() const { return territory_; }
  // What keeps this host out of the network may be over. Nothing if it is in.
  void try_soon();
  // Null while this host has no part in the network.
  Membership* member() const { return member_.get(); }
  // True if the start of the process need not wait for this network: it was ready once, it failed,
  // or, if it has a name, there is no configuration that can be used.
  bool has_started() const { return has_started_; }
  // Returns the state as one line.
  const std::string& line() const { return publisher_.line(); }
  // Publishes the state at the end of this turn: a part of it outside of the network has changed.
  void changed() { publisher_.changed(); }
  // Publishes the state at once, and not at the end of this turn.
  void publish() { publisher_.publish(); }

 private:
  enum class Stage { joined, withdrawing, removing, left };

  Publisher::Parts publisher_parts();
  Membership::Events events();
  void on_state();
  void note_territory();
  void fail_with(Error error);
  void try_again();
  void set_started();
  void look();
  // Whether the store has the network.
  enum class Presence { there, gone, unknown };
  Presence presence() const;
  void leave_unless_used();
  std::optional<std::string> used_by() const;
  void withdraw();
  void stay(std::optional<Problem> why);
  void set_stage(Stage stage);
  std::vector<Problem> other_problems() const;

  std::string name_;
  Parts parts_;
  Publisher publisher_;
  std::vector<Fd> subnet_file_;  // its locks
  std::unique_ptr<Membership> member_;
  Territory territory_;
  std::optional<Problem> failure_;  // of the membership, or of the one before
  bool is_over_ = false;            // the membership has failed, and is to be destroyed
  bool has_started_ = false;
  bool listed_ = true;
  Stage stage_ = Stage::joined;
  std::optional<Problem> gone_;  // the network is gone from the store
  Backoff pauses_ = kPauses;
  Timer again_;
  Timer look_{parts_.edges.loop, [this] { look(); }};  // armed while the network is gone
};

}  // namespace flannel
