// SPDX-License-Identifier: Apache-2.0
// Runs SubnetAddCommand and SubnetRemoveCommand so that what they make follows the peers: the
// commands of one subnet one after another, those of different subnets at once, up to a limit.
//
//   wanted ─▶ add ─▶ done ─── gone, or with other values ──▶ remove ─▶ (add with the new values)
//              └─ failed ─ pause ─▶ remove what it may have made, whether or not that succeeds ─▶
//              add
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.h"
#include "base/problem.h"
#include "core/command_record.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

// Loop thread only.
class PeerCommands {
 public:
  // Called with why the command failed; empty: it succeeded.
  using Done = std::function<void(std::string failure)>;
  struct Parts {
    Loop& loop;  // must outlive this object
    std::function<Result<SubscriptionPtr>(const std::string& command, const CommandPeer&, Done)>
        run;
    std::function<void()> on_state;  // the result of any accessor below may have changed
  };
  static constexpr std::size_t kMostAtOnce = 8;
  // A removal that fails so often is given up: most often, its objects are gone.
  static constexpr unsigned kRemovals = 3;

  explicit PeerCommands(Parts parts) : parts_(std::move(parts)) {}

  // The commands from now on. What others have made is removed by those, and made anew.
  void set_commands(const BackendCommands& commands);
  // What the commands of an earlier run have made for these peers, with these commands.
  void adopt(const BackendCommands& commands, const std::vector<CommandRecord::Peer>& peers);
  // All peers from now on. Nothing is run before go_on().
  void set_wanted(std::vector<CommandPeer> peers);
  // Commands may be run; without it what runs ends, and nothing else begins.
  void go_on();
  void pause() { is_on_ = false; }
  // Runs SubnetAddCommand again for all peers, and what waits for another attempt. A peer whose
  // command fails that had succeeded keeps what it has: most often, that is in the way.
  void replay();
  // Removes for all peers what is there, and makes it anew.
  void redo();

  // Nothing is there, and no command runs.
  bool is_empty() const { return peers_.empty(); }
  // Peers for which the commands of now have made, or may have made something.
  std::vector<CommandRecord::Peer> record() const;
  void append_problems(std::vector<Problem>& all) const;

 private:
  struct Made {  // by commands of then
    CommandPeer values;
    std::string add, remove;
  };
  struct Peer {
    std::optional<CommandPeer> wanted = {};
    std::optional<Made> made = {};  // or it may have been made, in part
    bool is_done = false;           // `made` is complete
    bool is_replayed = false;       // it is there from before, and SubnetAddCommand runs again
    bool cleans = false;            // what a failed command may have made is in the way
    unsigned failed_removals = 0;
    Backoff pauses{std::chrono::seconds(1), std::chrono::minutes(1)};
    TimePoint due = {};  // of the next attempt
    SubscriptionPtr running = {};
    std::string failure = {};  // of the last command; empty: none
  };
  using Peers = std::map<IpPrefix, Peer>;  // by SubnetKey::identity()

  void queue(Peers::iterator at);
  void step(const IpPrefix& name);
  bool must_be_removed(const Peer& peer) const;
  bool is_blocked(const Peer& peer) const;
  void remove(Peers::iterator at);
  void removed(Peers::iterator at);
  void add(Peers::iterator at);
  void run(Peers::iterator at, const std::string& command, const CommandPeer& values,
           void (PeerCommands::*ended)(Peers::iterator, std::string));
  void remove_ended(Peers::iterator at, std::string failure);
  void add_ended(Peers::iterator at, std::string failure);
  void try_later(Peers::iterator at, std::string_view command, std::string failure);
  void wake();

  Parts parts_;
  BackendCommands commands_;
  bool is_on_ = false;
  Peers peers_;
  std::set<IpPrefix> ready_;  // with something to do now
  std::size_t running_ = 0;
  TimePoint next_ = kNever;  // of those that wait
  Timer wake_{parts_.loop, [this] { wake(); }};
};

}  // namespace flannel
