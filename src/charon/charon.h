// SPDX-License-Identifier: Apache-2.0
// strongSwan's IKE daemon charon on this host: the one that runs as a service of the system, or
// one that flanneld starts.
//
//   connect ──▶ connected ──▶ CharonConnections
//    ▲   │ nobody listens        │ the connection has ended
//    │   ▼                       │
//    │  start charon, if it is installed and this process has what it needs
//    └── after a pause ◀─────────┘
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/fd.h"
#include "base/problem.h"
#include "charon/connections.h"
#include "charon/key_exchange.h"
#include "charon/vici_session.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "plan/ipsec.h"

namespace flannel {

// Upstream's, and strongSwan's default.
inline constexpr const char* kViciSocket = "/var/run/charon.vici";

// The program in PATH, or where distributions have it, as upstream looks for it; nullopt: it is
// not installed.
std::optional<std::string> find_charon();

// True if charon is installed, and none listens but one that an earlier run has started: this
// process may have to start one. To be asked before privileges are given up.
bool may_start_charon();

// Loop thread only. A charon that was started here runs on when this process ends, so that tunnels
// outlive flanneld; the next run finds it by its socket.
class Charon final : public KeyExchange {
 public:
  struct Parts {
    Loop& loop;                      // must outlive this object
    std::function<void()> on_state;  // the problems may have changed
    std::string socket = kViciSocket;
  };

  // The first connection is made in a turn of its own.
  Charon(IpsecSettings settings, Parts parts);
  ~Charon() override;
  Charon(const Charon&) = delete;
  Charon& operator=(const Charon&) = delete;

  void set_settings(const IpsecSettings& settings) override;
  void set_peers(std::vector<IpsecPeer> peers) override;
  // Also ends charon if it was started here.
  void withdraw(std::function<void()> done) override;
  void append_problems(std::vector<Problem>& all) const override;

 private:
  void connect();
  void lost(std::string why);
  std::string try_to_start();
  Result<void> start_child(const std::string& program);
  void child_ended();
  void on_connections();
  void end_withdrawal();

  IpsecSettings settings_;
  Parts parts_;
  std::optional<std::vector<IpsecPeer>> peers_;  // nullopt: not known yet
  CharonConnections connections_;
  std::unique_ptr<ViciSession> session_;  // null: there is no connection
  TimePoint session_since_{};
  std::unique_ptr<ViciSession> ended_;  // has called us, and is destroyed later
  std::string failure_;                 // why there is none
  Backoff pauses_{std::chrono::milliseconds(100), std::chrono::seconds(5)};
  // When a charon may be started: another one that was there may come back by itself.
  TimePoint start_due_ = {};
  pid_t child_ = -1;  // -1: none was started here, or it has ended
  Fd child_fd_;
  SubscriptionPtr child_watch_;  // ends before its descriptor
  TimePoint child_since_ = {};
  std::function<void()> withdrawn_;
  Timer retry_{parts_.loop, [this] { connect(); }};
  Timer withdrawn_due_{parts_.loop, [this] { end_withdrawal(); }};
};

}  // namespace flannel
