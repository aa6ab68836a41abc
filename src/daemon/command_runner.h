// SPDX-License-Identifier: Apache-2.0
// The commands of the extension backend as they run on this host.
//
//   start() ─▶ PreStartupCommand ─▶ output() ─▶ (the lease) ─▶ set_lease() ─▶ PostStartupCommand
//                 └ retried for ever                                │  └ retried for ever
//              withdraw() ─▶ SubnetRemoveCommands ─▶ ShutdownCommand  └─▶ PeerCommands
//
// What they have done is kept in a file, so that the next run of flanneld goes on with it: the two
// commands of the start are run once on a boot.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/backoff.h"
#include "base/problem.h"
#include "daemon/host.h"
#include "daemon/peer_commands.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

// Loop thread only.
class CommandRunner {
 public:
  struct Parts {  // all must outlive the runner
    Loop& loop;
    Host& host;
    std::function<void()> on_state;  // the result of any accessor below may have changed
  };
  // The record is written so often at most.
  static constexpr std::chrono::seconds kSavePause{1};

  CommandRunner(CommandSettings settings, Parts parts);
  // Removes what the commands of an earlier run have made, which kept `record`.
  CommandRunner(const CommandRecord& record, Parts parts);
  // Kills what runs, and keeps what was done.
  ~CommandRunner();
  CommandRunner(const CommandRunner&) = delete;
  CommandRunner& operator=(const CommandRunner&) = delete;

  // What an earlier run has kept on this boot; nullopt: nothing.
  static std::optional<CommandRecord> read_record(Host& host);

  void start();
  // Other commands take the place of those that run: what the former ones have made for peers is
  // removed and made anew, and the commands of the start are run if they are others.
  void reconfigure(const CommandSettings& settings);
  // The values for PostStartupCommand, and all peers. Not called before there is a lease.
  void set_lease(std::vector<std::string> variables, std::vector<CommandPeer> peers);
  // As in PeerCommands; what waits for another attempt is tried now.
  void replay();
  // Undoes all, and makes nothing from now on. `done` is called once, perhaps at once.
  void withdraw(std::function<void()> done);

  // What PreStartupCommand has printed; nullopt: it has not succeeded yet.
  const std::optional<std::string>& output() const { return output_; }
  // The commands of the start have succeeded, for the lease of now.
  bool in_place() const { return output_ && !wanted_.empty() && wanted_ == done_; }
  bool removes_at_exit() const { return settings_.remove_at_exit; }
  void append_problems(std::vector<Problem>& all) const;

 private:
  using Ended = std::function<void(const ShellEnd&)>;

  PeerCommands::Parts peer_parts();
  void step();
  void run(std::string_view name, const std::string& command, Ended succeeded);
  void run_before_lease();
  void run_after_lease();
  void step_withdrawal();
  void end_withdrawal();
  void on_peers();
  void save();
  void forget_record();
  void save_soon();

  CommandSettings settings_;
  Parts parts_;
  PeerCommands peers_{peer_parts()};
  std::optional<std::string> output_;
  std::vector<std::string> wanted_, done_;  // the variables of PostStartupCommand
  std::string failure_;                     // of a command of the start; empty: none
  Backoff pauses_{std::chrono::seconds(1), std::chrono::minutes(1)};
  SubscriptionPtr running_;  // a command that is of no peer
  std::function<void()> withdrawn_;
  bool withdraws_ = false;
  std::optional<CommandRecord> kept_;  // what the file has; nullopt: not known
  TimePoint saved_ = {};
  Timer retry_{parts_.loop, [this] { step(); }};
  Timer save_{parts_.loop, [this] { save(); }};
};

}  // namespace flannel
