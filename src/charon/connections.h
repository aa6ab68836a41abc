// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/problem.h"
#include "charon/vici_port.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "plan/ipsec.h"

namespace flannel {

// Makes what charon has of ours equal to what is wanted. With each connection to charon it asks
// what is there, then loads keys before connections, and unloads what an earlier run or an earlier
// wish left. What charon refuses is tried again. A tunnel that is not there, whatever ended it, is
// begun anew, and one that nobody wants is ended. Loop thread only.
class CharonConnections {
 public:
  struct Parts {
    Loop& loop;                      // must outlive this object
    std::function<void()> on_state;  // is_empty() or the problems may have changed
  };
  // Between looks at the tunnels that stand; the first one comes sooner.
  static constexpr std::chrono::seconds kLookPause{20};

  explicit CharonConnections(Parts parts) : parts_(std::move(parts)) {}

  // The tunnels from now on. Before the first call nothing is loaded or unloaded.
  void set_wanted(const IpsecSettings& settings, const std::vector<IpsecPeer>& peers);

  // There is a connection to charon, which lasts until disconnected().
  void connected(ViciPort& port);
  void disconnected();

  // Charon has nothing of ours. False also while that is not known.
  bool is_empty() const;
  void append_problems(std::vector<Problem>& all) const;

 private:
  enum class Kind { key, connection };
  using Name = std::pair<Kind, std::string>;
  struct Item {
    std::optional<ViciSection> wanted = {};  // the arguments by which it is loaded
    std::optional<ViciSection> loaded = {};  // by us; nullopt: it is not known how it is
    std::optional<ViciSection> before = {};  // what was wanted until set_wanted()
    std::string child = {};                  // of a connection
    bool is_there = false;
    std::string failure = {};  // of the last attempt; empty: none
    Backoff pauses{std::chrono::seconds(1), std::chrono::minutes(1)};
    TimePoint due = {};  // of the next attempt
  };
  using Items = std::map<Name, Item>;

  void want(Kind kind, std::string name, ViciSection arguments, std::string child = {});
  void queue(const Name& name);
  void queue_all();
  void step();
  void call(std::string_view command, const ViciSection& arguments, ViciPort::Answered done);
  void list(std::string_view command, std::string_view list, Kind kind, std::function<void()> next);
  void load(const Name& name);
  void loaded(const Name& name, const ViciSection& arguments, const ViciSection& answer);
  void unload(const Name& name);
  void unloaded(const Name& name);
  void terminate(const std::string& connection);
  void look();
  void judge();

  Parts parts_;
  ViciPort* port_ = nullptr;  // null: there is no connection
  bool is_busy_ = false;      // a command is under way
  bool is_listed_ = false;    // what charon has is known
  bool is_wanted_ = false;    // what is wanted is known
  Items items_;
  std::set<std::pair<int, Name>> ready_;  // with something to do now, in the order of the number
  std::set<std::string> standing_;        // tunnels, by their connection, that the look has found
  std::set<std::string> to_begin_, to_end_;
  Timer look_{parts_.loop, [this] { step(); }};
  TimePoint look_due_ = kNever;
  Timer retry_{parts_.loop, [this] { queue_all(); }};
};

}  // namespace flannel
